"""Captions that a downloader was asked for but did not get (pure).

A video's info file lists the captions that the site has, requested or not, and with `--ignore-errors` yt-dlp
continues if one of them fails (a 429, on most days). So an info file without captions next to it proves
nothing: most folders never had any. Which captions were requested is known from `requested_subtitles`, which
yt-dlp omits by default, and from the captions of other videos of the same source. If no video has captions,
this module finds nothing missing. Such a run would lose most transcripts at once, which its gate refuses.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from ingest.sources.captions.choice import CaptionTrack
from ingest.sources.captions.names import LIVE_CHAT, caption_language
from ingest.sources.folders.ytdlp_info import DownloadInfo
from retrieval.catalogue.languages import language_rank
from retrieval.catalogue.video import CaptionKind


class ListedTrack(NamedTuple):
    """Captions in an info file: the end of their file's name, and whether a person wrote them."""

    tag: str
    kind: CaptionKind


class RequestedTracks:
    """The captions that the downloader got for at least one video; shared by all folders of a source."""

    def __init__(self) -> None:
        self._folders: list[Callable[[], Iterable[ListedTrack]]] = []

    def add_folder(self, got: Callable[[], Iterable[ListedTrack]]) -> None:
        """Add a folder; `got` returns the captions in it and is called when they are needed first."""
        self._folders.append(got)

    @cached_property
    def tracks(self) -> frozenset[ListedTrack]:
        """The captions that at least one video has."""
        return frozenset(track for got in self._folders for track in got())


def tracks_got(info: DownloadInfo, tags: Iterable[str]) -> set[ListedTrack]:
    """Return the listed captions of a video that have a file; `tags` are the ends of the files' names."""
    found = {tag: info.kind_of(tag) for tag in tags}
    return {ListedTrack(tag, kind) for tag, kind in found.items() if kind}


def missing_tags(
    info: DownloadInfo, tracks: Sequence[CaptionTrack], requested: RequestedTracks, languages: Sequence[str]
) -> list[str]:
    """Return the missing captions that would be read if they were there, by the ends of their files' names.

    These were requested, have no file, and are in a language that is preferred to those of all files.
    Automatic captions in such a language count as well as those by a person.
    """
    spoken = info.values.get("language")
    best = min((language_rank(track.language, languages, spoken) for track in tracks), default=None)
    if best == 0:
        return []
    ranks = {
        tag: language_rank(caption_language(tag), languages, spoken) for tag in _requested_of(info, requested)
    }
    if best is not None:
        ranks = {tag: rank for tag, rank in ranks.items() if rank < best}
    return sorted(tag for tag, rank in ranks.items() if rank == min(ranks.values()))


def _requested_of(info: DownloadInfo, requested: RequestedTracks) -> Collection[str]:
    listed = {ListedTrack(tag, "manual") for tag in info.manual}
    listed |= {ListedTrack(tag, "automatic") for tag in info.automatic}
    if not listed and not info.requested:
        return ()
    return ({track.tag for track in listed & requested.tracks} | set(info.requested)) - {LIVE_CHAT}
