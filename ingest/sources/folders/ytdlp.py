"""A folder of yt-dlp or youtube-dl: info files of videos, and their captions."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ingest.rows.reasons import FETCH_FAILED
from ingest.rows.row import Place, RawRow, file_name, rejected_row
from ingest.sources.captions.caption_files import cues_problem
from ingest.sources.captions.choice import DEFAULT_LANGUAGES, CaptionTrack, order_tracks
from ingest.sources.captions.decoding import CaptionFileError, FileProblem
from ingest.sources.captions.names import parse_caption_name, without_suffix
from ingest.sources.folders.captions import caption_files, group_by_stem, read_bare, read_known
from ingest.sources.folders.media import MediaFolder
from ingest.sources.folders.missing_captions import ListedTrack, RequestedTracks, missing_tags, tracks_got
from ingest.sources.folders.ytdlp_info import DownloadInfo, read_download_info

INFO_ENDING: Final = ".info.json"

_YOUTUBE_ID_LENGTH: Final = 11
_NOT_DOWNLOADED: Final = (
    "lists captions in {}, which were requested but have no file here; the index keeps its current copy: "
    "download them again, or move this file to another folder to index the video without a transcript"
)


def is_info_file(path: Path) -> bool:
    """Whether a file is an info file, which yt-dlp writes about a video."""
    return path.name.lower().endswith(INFO_ENDING) and not path.name.startswith(".") and path.is_file()


class DownloadsFolder:
    """The videos of a downloader's folder, in the order of their info files; subfolders are not read.

    Caption files belong to the info file whose name they begin with, else to the video whose id is in their
    name. Caption files that belong to none are separate videos, after the others. A video whose captions
    were requested and are missing is a rejected row, `fetch-failed`, never a video without a transcript.
    `source` is the folder that the paths of media files are relative to.
    """

    def __init__(
        self,
        path: Path,
        *,
        languages: Sequence[str] = DEFAULT_LANGUAGES,
        requested: RequestedTracks | None = None,
        source: Path | None = None,
    ) -> None:
        self._languages = languages
        self._media = MediaFolder(path, source or path)
        self._infos = {
            file.name[: -len(INFO_ENDING)]: file for file in sorted(path.iterdir()) if is_info_file(file)
        }
        self._by_stem: dict[str, list[Path]] = {}
        self._by_id: dict[str, list[Path]] = {}
        self._others: list[Path] = []
        for file in caption_files(path):
            if is_info_file(file):
                continue
            stem = self._stem_of(file)
            if stem is None:
                self._others.append(file)
                for video_id in _possible_ids(file):
                    self._by_id.setdefault(video_id, []).append(file)
            else:
                self._by_stem.setdefault(stem, []).append(file)
        self._requested = requested or RequestedTracks()
        self._requested.add_folder(self._tracks_got)

    def _stem_of(self, file: Path) -> str | None:
        """Return the stem of the info file of a caption file: `Talk [ID]` for `Talk [ID].en.vtt`."""
        name = without_suffix(file.name)
        # Sites have their own names of languages, so any one part may follow the stem.
        stems = (name, name.rpartition(".")[0], parse_caption_name(file.name).stem)
        return next((stem for stem in stems if stem in self._infos), None)

    def rows(self) -> Iterator[RawRow]:
        """Read video by video."""
        used: set[Path] = set()
        for stem, file in self._infos.items():
            place = Place(file_name(file))
            try:
                info = read_download_info(file, stem)
            except CaptionFileError as error:
                yield rejected_row(place, error.code, str(error))
                continue
            if info is not None:
                used.update(self._named_by_id(info))
                yield self._row(place, stem, info)
        bare = group_by_stem([file for file in self._others if file not in used])
        for stem, tracks in bare.items():
            yield from self._media.added_to_bare(stem, read_bare(stem, order_tracks(tracks, self._languages)))

    def _row(self, place: Place, stem: str, info: DownloadInfo) -> RawRow:
        tracks = [_track(file, stem, info) for file in self._by_stem.get(stem, ())]
        tracks += [_track(file, None, info) for file in self._named_by_id(info)]
        if missing := missing_tags(info, tracks, self._requested, self._languages):
            problem = FileProblem(FETCH_FAILED, _NOT_DOWNLOADED.format(", ".join(missing)), "rejected")
            return RawRow(place, None, (cues_problem(place, _id_of(info), problem),))
        ordered = order_tracks(tracks, self._languages, info.values.get("language"))
        return self._media.added(stem, read_known(place, info.values, ordered))

    def _named_by_id(self, info: DownloadInfo) -> Sequence[Path]:
        return self._by_id.get(_id_of(info), ())

    def _tracks_got(self) -> Iterator[ListedTrack]:
        """Read the info files once more, to find the kind of each caption file."""
        for stem, file in self._infos.items():
            if stem not in self._by_stem and not self._by_id:
                continue
            # An unreadable one is reported with the rows.
            with suppress(CaptionFileError):
                if info := read_download_info(file, stem):
                    files = (*self._by_stem.get(stem, ()), *self._named_by_id(info))
                    yield from tracks_got(info, map(_tag, files))


def _id_of(info: DownloadInfo) -> str:
    return str(info.values.get("video_id")).strip()


def _tag(path: Path) -> str:
    return without_suffix(path.name).rpartition(".")[2]


def _track(path: Path, stem: str | None, info: DownloadInfo) -> CaptionTrack:
    name = parse_caption_name(path.name, stem=stem)
    kind = info.kind_of(_tag(path)) or ("automatic" if name.is_automatic else None)
    return CaptionTrack(path, name.language, kind, name.is_original)


def _possible_ids(path: Path) -> Iterator[str]:
    """Yield the possible ids in a name: `ID.en.vtt`, `Talk [ID].en.vtt`, youtube-dl's `Talk-ID.en.vtt`."""
    name = without_suffix(path.name)
    for stem in {name, name.rpartition(".")[0], parse_caption_name(path.name).stem} - {""}:
        yield stem
        if stem.endswith("]") and "[" in stem:
            yield stem[stem.rindex("[") + 1 : -1]
        before, dash = stem[:-_YOUTUBE_ID_LENGTH], stem[-_YOUTUBE_ID_LENGTH - 1 : -_YOUTUBE_ID_LENGTH]
        if before and dash == "-":
            yield stem[-_YOUTUBE_ID_LENGTH:]
