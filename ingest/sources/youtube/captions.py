"""The captions of YouTube videos: found, known to be missing, or not to be had. Fetched once, then kept."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol, TypeVar

import msgspec

from ingest.sources.youtube.kept_captions import KeptCaptions
from retrieval.catalogue.video import CaptionKind

BLOCKED_IN_A_ROW: Final = 3
"""After how many videos in a row that were blocked no other is asked for."""


class CaptionLine(msgspec.Struct, frozen=True, gc=False):
    """One timed line. Times are seconds from the start of the video."""

    start: float
    end: float
    text: str


class Captions(msgspec.Struct, frozen=True):
    """The captions of one video in one language, made by a person or by YouTube."""

    language: str
    kind: CaptionKind
    lines: Sequence[CaptionLine]


class CaptionsFailedError(Exception):
    """Whether a video has captions, or what they say, could not be found out. Its text is for a person."""


class CaptionsBlockedError(CaptionsFailedError):
    """YouTube does not answer this address; it will hardly answer for the next video."""


class CaptionFetcher(Protocol):
    """Where captions come from."""

    def fetch(self, video_id: str) -> Captions | None:
        """Return the best captions of a video, or None only where it surely has none.

        Raises CaptionsFailedError for everything else, after trying again what may pass.
        """
        ...


class Track(Protocol):
    """Captions that a video has, before they are fetched."""

    @property
    def language_code(self) -> str:
        """The language as BCP 47 has it."""
        ...

    @property
    def is_generated(self) -> bool:
        """Whether YouTube made them from the sound."""
        ...


_TrackT = TypeVar("_TrackT", bound=Track)


def choose_track(tracks: Sequence[_TrackT], languages: Sequence[str]) -> _TrackT | None:
    """Choose the captions to read: the language asked for first, then those made by a person.

    Asking for "en" takes "en-GB" too, after "en" itself. In a language nobody asked for a person's captions
    come first as well, else in the video's own order.
    """

    def rank(track: _TrackT) -> tuple[int, bool, bool]:
        code = track.language_code.casefold()
        for number, language in enumerate(languages):
            asked = language.casefold()
            if code == asked or code.partition("-")[0] == asked:
                return number, track.is_generated, code != asked
        return len(languages), track.is_generated, False

    return min(tracks, key=rank, default=None)


class KnownCaptions:
    """Captions that are fetched where they are not known yet, and not at all once YouTube blocks."""

    def __init__(self, fetcher: CaptionFetcher, kept: KeptCaptions) -> None:
        self._fetcher = fetcher
        self._kept = kept
        self._blocked = 0

    def of_video(self, video_id: str, *, has_manual: bool) -> Captions | None:
        """Return a video's captions, or None where it has none.

        Captions that a person corrected are taken up when those kept are due, within 40 days; if they then
        cannot be fetched, those kept are returned. `has_manual`: the Data API says that a person made some.
        Raises CaptionsFailedError.
        """
        # What says that captions by a person exist is part of the key, so that new ones are fetched at once.
        key = f"{video_id} {'manual' if has_manual else ''}"
        # What another version of this program kept in another form is fetched again.
        with suppress(msgspec.DecodeError):
            if answer := self._kept.find(key):
                return _decoded(answer)
        try:
            return self._fetch(video_id, key, has_manual=has_manual)
        except CaptionsFailedError:
            with suppress(msgspec.DecodeError):
                if answer := self._kept.find(key, even_if_due=True):
                    return _decoded(answer)
            raise

    def _fetch(self, video_id: str, key: str, *, has_manual: bool) -> Captions | None:
        if self._blocked >= BLOCKED_IN_A_ROW:
            raise CaptionsBlockedError(
                f"YouTube blocked {self._blocked} in a row, this one was not asked for"
            )
        try:
            captions = self._fetcher.fetch(video_id)
        except CaptionsBlockedError:
            self._blocked += 1
            raise
        self._blocked = 0
        if captions is None and has_manual:
            # One of the two is wrong, and only one of the two mistakes would lose a transcript.
            raise CaptionsFailedError("the Data API says that there are some, and YouTube lists none")
        self._kept.keep(key, msgspec.json.encode(captions), is_missing=captions is None)
        return captions


def _decoded(answer: bytes) -> Captions | None:
    return msgspec.json.decode(answer, type=Captions | None)
