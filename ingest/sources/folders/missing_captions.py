"""Captions that a downloader was asked for and did not get (pure).

yt-dlp notes in a video's info file which captions the site has, whether they were asked for or not, and with
`--ignore-errors` goes on where one of them fails (a 429, most days). An info file without captions beside it
thus says nothing by itself: most folders never had any. What was asked for is told by `requested_subtitles`,
which yt-dlp leaves out unless told otherwise, and by what other videos of the same source did get. Where none
did, nothing tells it here: then the run would lose most transcripts at once, and its gate refuses that.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from ingest.sources.captions.choice import CaptionTrack, language_rank
from ingest.sources.captions.names import LIVE_CHAT, caption_language
from ingest.sources.folders.ytdlp_info import DownloadInfo
from retrieval.catalogue.video import CaptionKind


class ListedTrack(NamedTuple):
    """Captions as an info file lists them: what their file's name ends in, and who made them."""

    tag: str
    kind: CaptionKind


class AskedTracks:
    """What the downloader was asked for, as far as what it got tells: shared by all folders of a source."""

    def __init__(self) -> None:
        self._folders: list[Callable[[], Iterable[ListedTrack]]] = []

    def add_folder(self, got: Callable[[], Iterable[ListedTrack]]) -> None:
        """Take in another folder; `got` lists the captions in it, and is called when that matters first."""
        self._folders.append(got)

    @cached_property
    def tracks(self) -> frozenset[ListedTrack]:
        """The captions that at least one video has."""
        return frozenset(track for got in self._folders for track in got())


def tracks_got(info: DownloadInfo, tags: Iterable[str]) -> set[ListedTrack]:
    """Return those of a video's listed captions that there are files of, by what the files' names end in."""
    found = {tag: info.kind_of(tag) for tag in tags}
    return {ListedTrack(tag, kind) for tag, kind in found.items() if kind}


def missing_tags(
    info: DownloadInfo, tracks: Sequence[CaptionTrack], asked: AskedTracks, languages: Sequence[str]
) -> list[str]:
    """Return the captions without which another text, or none, would take the place of what was asked for.

    They are those that were asked for, that no file holds, and that are in a language which is to be read
    rather than that of any file there is. Whose captions they are does not count: automatic ones in the
    language are a transcript too.
    """
    spoken = info.values.get("language")
    best = min((language_rank(track.language, languages, spoken) for track in tracks), default=None)
    if best == 0:
        return []
    ranks = {tag: language_rank(caption_language(tag), languages, spoken) for tag in _asked_of(info, asked)}
    if best is not None:
        ranks = {tag: rank for tag, rank in ranks.items() if rank < best}
    return sorted(tag for tag, rank in ranks.items() if rank == min(ranks.values()))


def _asked_of(info: DownloadInfo, asked: AskedTracks) -> Collection[str]:
    listed = {ListedTrack(tag, "manual") for tag in info.manual}
    listed |= {ListedTrack(tag, "automatic") for tag in info.automatic}
    if not listed and not info.requested:
        return ()
    return ({track.tag for track in listed & asked.tracks} | set(info.requested)) - {LIVE_CHAT}
