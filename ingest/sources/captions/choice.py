"""Which of a video's caption files is read (pure)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ingest.sources.captions.names import CAPTION_SUFFIXES
from retrieval.catalogue.video import CaptionKind

DEFAULT_LANGUAGES: Final = ("en",)

_KIND_ORDER: Final[tuple[CaptionKind | None, ...]] = ("manual", None, "automatic")
_FORMAT_ORDER: Final = (".json3", *(suffix for suffix in CAPTION_SUFFIXES if suffix != ".json3"))


class CaptionTrack(NamedTuple):
    """A caption file of a video; `kind` and `language` are None where nothing says them."""

    path: Path
    language: str | None = None
    kind: CaptionKind | None = None
    is_original: bool = False


def order_tracks(
    tracks: Iterable[CaptionTrack], languages: Sequence[str], spoken: str | None = None
) -> list[CaptionTrack]:
    """Sort tracks, the one to read first: the asked languages in order, then what is spoken, then others.

    Within a language those that people made come before automatic ones, the very code that was asked
    ("en") before a variant ("en-GB"), an automatic track before translations of it, and the format that
    loses least. `spoken` is the language of the video; a track that says none is taken to be in it.
    """

    def rank(track: CaptionTrack) -> tuple[object, ...]:
        language = track.language or spoken
        return (
            language_rank(track.language, languages, spoken),
            _KIND_ORDER.index(track.kind),
            not any(language == wanted for wanted in languages),
            not track.is_original,
            _FORMAT_ORDER.index(track.path.suffix.lower()),
            track.path.name,
        )

    return sorted(tracks, key=rank)


def language_rank(language: str | None, languages: Sequence[str], spoken: str | None) -> int:
    """Return the place of a language among those asked for; then comes the spoken one, then every other."""
    language = language or spoken
    asked = [number for number, wanted in enumerate(languages) if _is_in(language, wanted)]
    is_main = language is None or _is_in(language, spoken)
    return asked[0] if asked else len(languages) + (not is_main)


def _is_in(language: str | None, wanted: str | None) -> bool:
    """Say whether one of two languages is the other or a variant of it."""
    if language is None or wanted is None:
        return False
    code, asked = language.lower().replace("_", "-"), wanted.lower().replace("_", "-")
    return f"{code}-".startswith(f"{asked}-") or f"{asked}-".startswith(f"{code}-")
