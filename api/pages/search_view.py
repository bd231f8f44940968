"""View models of the search page: what its templates render. Pure.

The texts of a catalogue are untrusted. They are cut to a length that fits the page, and only http and https
addresses become links.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import reduce
from itertools import islice
from typing import Literal
from zlib import crc32

import msgspec

from api.pages.search_form import LAST_OFFSET, PAGE_VIDEOS, SearchForm
from api.pages.wording import LONGEST_CHANNEL, ago, clock, cut, day, initials, language_code
from api.wire.responses import AddressOf
from retrieval.catalogue.links import Player, moment_url, player_at, web_address, youtube_picture
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.wording import counted, share
from retrieval.index.hits import Moment
from retrieval.search.results import FoundVideo, SearchResult
from retrieval.text.matching import ELLIPSIS, Piece, quote, split_matches, without

LONGEST_TITLE = 160
LONGEST_QUOTE = 156
"""Characters. A passage has about 700; the page quotes the part that answers the query."""

_SHORTEST_QUOTE = 60
"""Characters. If less of a passage is new, its quote may repeat the quote of an overlapping passage."""

_LONGEST_PASSAGE = 4_000
"""Characters of a passage that are searched for a quote: enough for 120 words of any language."""

Thumbnails = Literal["catalogue", "on", "off"]
"""The pictures from other hosts: those that the catalogue names, also those of YouTube, or none."""

COLORS = 8
"""The number of background colours of the placeholders for missing thumbnails."""

BAR = 1_000
"""The width of the timeline bar, in its own units."""

_NARROWEST_MARK = 8
_EXAMPLES = 4
_LONGEST_EXAMPLE = 60


class Mark(msgspec.Struct, frozen=True):
    """A moment on the timeline bar, in units of the bar."""

    x: int
    width: int


class MomentView(msgspec.Struct, frozen=True):
    """A moment: its time and mark on the timeline if known, its quote, its link and its player."""

    time: str | None
    mark: Mark | None
    pieces: tuple[Piece, ...]
    url: str | None
    player: Player | None


class VideoView(msgspec.Struct, frozen=True, kw_only=True):
    """A video. `language` is an ISO 639-1 code, `page` the address of the video's page in this service."""

    title: tuple[Piece, ...]
    plain_title: str
    initials: str
    color: int
    channel: str | None
    published: str | None
    published_on: str | None
    length: str | None
    language: str | None
    url: str | None
    thumbnail: str | None
    page: str
    moments: tuple[MomentView, ...]
    has_more: bool

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks of its moments; empty if the duration or the times are unknown."""
        return tuple(moment.mark for moment in self.moments if moment.mark)

    @property
    def has_times(self) -> bool:
        """Whether any of its moments has a time."""
        return any(moment.time for moment in self.moments)


class PageView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results, its headline, and the addresses of the previous and next pages."""

    videos: tuple[VideoView, ...]
    headline: str
    previous: str | None
    next: str | None
    is_degraded: bool


def view_page(
    result: SearchResult, form: SearchForm, address_of: AddressOf, *, thumbnails: Thumbnails = "catalogue"
) -> PageView:
    """Return a page of results. If the result has more videos than fit, there is a next page."""
    shown = result.videos[:PAGE_VIDEOS]
    has_next = len(result.videos) > PAGE_VIDEOS
    return PageView(
        videos=tuple(view_video(video, form, address_of, thumbnails=thumbnails) for video in shown),
        headline=_headline(len(shown), form.offset, has_next=has_next),
        previous=form.address(offset=max(0, form.offset - PAGE_VIDEOS)) if form.offset else None,
        next=form.address(offset=min(form.offset + PAGE_VIDEOS, LAST_OFFSET)) if has_next else None,
        is_degraded=result.is_degraded,
    )


def view_video(
    video: FoundVideo, form: SearchForm, address_of: AddressOf, *, thumbnails: Thumbnails = "catalogue"
) -> VideoView:
    """Return a video that a search found, with its moments."""
    record = video.record
    url = web_address(address_of(record))
    title = cut(record.title, LONGEST_TITLE)
    published = record.published_at
    return VideoView(
        title=split_matches(title, form.query),
        plain_title=title,
        initials=initials(title),
        color=crc32(record.video_id.encode()) % COLORS,
        channel=cut(record.channel, LONGEST_CHANNEL) if record.channel else None,
        published=day(published) if published else None,
        published_on=published.date().isoformat() if published else None,
        length=clock(record.duration) if record.duration else None,
        language=language_code(record.language),
        url=url,
        thumbnail=_thumbnail(record.thumbnail_url, url, thumbnails),
        page=form.video_address(record.video_id),
        moments=tuple(_view_moments(video, url, form)),
        has_more=record.passages > len(video.moments),
    )


def _thumbnail(own: str | None, url: str | None, thumbnails: Thumbnails) -> str | None:
    """Return the URL of a video's picture: its own, or YouTube's if the operator has asked for those."""
    if thumbnails == "off":
        return None
    return web_address(own) or (youtube_picture(url) if thumbnails == "on" else None)


def _headline(shown: int, offset: int, *, has_next: bool) -> str:
    if not shown:
        return "No more results" if offset else "No results"
    if offset:
        return f"Results {offset + 1:,} to {offset + shown:,}" if shown > 1 else f"Result {offset + 1:,}"
    # The number of all results is unknown: a search by meaning ranks every video.
    return "Results" if has_next else counted(shown, "result")


def _view_moments(video: FoundVideo, url: str | None, form: SearchForm) -> Iterator[MomentView]:
    quotes: list[str] = []
    for moment in video.moments:
        if moment.text is None:
            continue
        text = moment.text[:_LONGEST_PASSAGE]
        rest = reduce(without, quotes, text)
        pieces = quote(rest if len(rest) >= _SHORTEST_QUOTE else text, form.query, longest=LONGEST_QUOTE)
        quotes.append("".join(piece.text for piece in pieces).strip(f" {ELLIPSIS}"))
        yield MomentView(
            time=None if moment.start is None else clock(moment.start),
            mark=_mark(moment, video.record.duration),
            pieces=pieces,
            url=moment_url(url, moment.start),
            player=player_at(url, moment.start),
        )


def _mark(moment: Moment, duration: float | None) -> Mark | None:
    if not duration or moment.start is None or not 0 <= moment.start < duration:
        return None
    end = moment.start if moment.end is None else max(moment.start, min(moment.end, duration))
    width = max(_NARROWEST_MARK, round((end - moment.start) / duration * BAR))
    return Mark(min(round(moment.start / duration * BAR), BAR - width), width)


class Example(msgspec.Struct, frozen=True):
    """A query that finds something in this catalogue."""

    text: str
    address: str


class StartView(msgspec.Struct, frozen=True):
    """An overview of an index. `examples` are empty if the catalogue is not public."""

    videos: int
    facts: tuple[str, ...]
    is_sample: bool
    examples: tuple[Example, ...]


def describe_index(manifest: Manifest | None, now: datetime, *, shows_titles: bool) -> StartView | None:
    """Describe what an index contains and when it was built; None if there is no index."""
    if manifest is None:
        return None
    counts = manifest.counts
    titles = (title for title in manifest.canaries if shows_titles and 0 < len(title) <= _LONGEST_EXAMPLE)
    return StartView(
        counts.videos,
        (
            counted(counts.videos, "video"),
            counted(counts.passages, "passage"),
            f"{share(counts.transcript_coverage)} with a transcript",
            f"updated {ago(manifest.built_at, now)}",
        ),
        manifest.is_sample,
        tuple(Example(title, SearchForm(query=title).address()) for title in islice(titles, _EXAMPLES)),
    )
