"""The order in which the caption files of a video are tried (pure)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ingest.sources.captions.names import CAPTION_SUFFIXES
from retrieval.catalogue.languages import is_same_language, language_rank
from retrieval.catalogue.video import CaptionKind

DEFAULT_LANGUAGES: Final = ("en",)

_KIND_ORDER: Final[tuple[CaptionKind | None, ...]] = ("manual", None, "automatic")
_FORMAT_ORDER: Final = (".json3", *(suffix for suffix in CAPTION_SUFFIXES if suffix != ".json3"))


class CaptionTrack(NamedTuple):
    """A caption file of a video. `kind` and `language` are None if they are unknown."""

    path: Path
    language: str | None = None
    kind: CaptionKind | None = None
    is_original: bool = False


def order_tracks(
    tracks: Iterable[CaptionTrack], languages: Sequence[str], spoken: str | None = None
) -> list[CaptionTrack]:
    """Sort caption files by preference, the first one to read at the front.

    The order is: language (see `language_rank`), captions by a person before automatic ones, exactly a
    wanted language ("en") before a variant ("en-GB"), an automatic track before translations of it, and the
    format that loses least. `spoken` is the language of the video; a track without a language counts as
    being in it.
    """

    def rank(track: CaptionTrack) -> tuple[object, ...]:
        language = track.language or spoken
        return (
            language_rank(track.language, languages, spoken),
            _KIND_ORDER.index(track.kind),
            not any(is_same_language(language or "", wanted) for wanted in languages),
            not track.is_original,
            _FORMAT_ORDER.index(track.path.suffix.lower()),
            track.path.name,
        )

    return sorted(tracks, key=rank)
