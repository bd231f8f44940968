"""What the search page says of the index before anything was asked. Pure."""

from datetime import datetime

import msgspec

from api.plain_words import ago, counted
from api.search_form import SearchForm
from api.search_view import short_titles
from retrieval.manifest import Manifest


class Example(msgspec.Struct, frozen=True):
    """A query that the catalogue answers."""

    text: str
    address: str


class StartView(msgspec.Struct, frozen=True):
    """What there is to search, in words; `examples` are none where the catalogue is not for everybody."""

    videos: int
    counts: tuple[str, ...]
    is_sample: bool
    examples: tuple[Example, ...]


def describe_index(manifest: Manifest | None, now: datetime, *, shows_titles: bool) -> StartView | None:
    """Say what an index holds and how fresh it is; None where there is no index."""
    if manifest is None:
        return None
    counts = manifest.counts
    titles = short_titles(manifest.canaries) if shows_titles else ()
    return StartView(
        counts.videos,
        (
            counted(counts.videos, "video"),
            counted(counts.passages, "passage"),
            f"{_percent(counts.transcript_coverage)} with a transcript",
            f"brought up to date {ago(manifest.built_at, now)}",
        ),
        manifest.is_sample,
        tuple(Example(title, SearchForm(query=title).address()) for title in titles),
    )


def _percent(share: float) -> str:
    # Only what is all is 100%, and only what is nothing is 0%.
    return f"{min(99, max(1, round(share * 100))) if 0 < share < 1 else round(share * 100)}%"
