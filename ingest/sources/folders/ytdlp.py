"""A folder as yt-dlp or youtube-dl leaves it: what it found out about each video beside its captions."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ingest.rows.row import FETCH_FAILED, Place, RawRow, RowProblem, file_name
from ingest.sources.captions.caption_files import tell
from ingest.sources.captions.choice import DEFAULT_LANGUAGES, CaptionTrack, order_tracks
from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.captions.names import parse_caption_name, without_suffix
from ingest.sources.folders.captions import bare_track, caption_files, read_bare, read_known
from ingest.sources.folders.missing_captions import AskedTracks, ListedTrack, missing_tags, tracks_got
from ingest.sources.folders.ytdlp_info import DownloadInfo, read_download_info

INFO_ENDING: Final = ".info.json"

_YOUTUBE_ID_LENGTH: Final = 11
_NOT_DOWNLOADED: Final = (
    "it lists captions in {}, which were asked for, and no file here holds them; the index keeps what it "
    "has: download them again, or give this file in a folder elsewhere, and the video goes in by its title "
    "alone"
)


def is_info_file(path: Path) -> bool:
    """Say whether a file is what yt-dlp wrote about a video."""
    return path.name.lower().endswith(INFO_ENDING) and not path.name.startswith(".") and path.is_file()


class DownloadsFolder:
    """The videos of a downloader's folder, in the order of their info files; folders in it are not entered.

    Caption files belong to the info file whose name they begin with, else to the video whose id they are
    named by. Those that belong to none are videos by themselves, after the others. A video whose captions
    were asked for and are not there is a rejected row, `fetch-failed`, never one without a transcript.
    """

    def __init__(
        self, path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES, asked: AskedTracks | None = None
    ) -> None:
        self._languages = languages
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
        self._asked = asked or AskedTracks()
        self._asked.add_folder(self._tracks_got)

    def _stem_of(self, file: Path) -> str | None:
        """Find the info file that a name begins with: `Talk [ID].info.json` for `Talk [ID].en.vtt`."""
        name = without_suffix(file.name)
        # Every site names languages its own way, so anything may stand between, but only once.
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
                problem = RowProblem(place, None, None, error.code, str(error))
                yield RawRow(place, None, (problem,))
                continue
            if info is not None:
                used.update(self._named_by_id(info))
                yield self._row(place, stem, info)
        bare: dict[str, list[CaptionTrack]] = {}
        for file in self._others:
            if file not in used:
                stem, track = bare_track(file)
                bare.setdefault(stem, []).append(track)
        for stem, tracks in bare.items():
            yield from read_bare(stem, order_tracks(tracks, self._languages))

    def _row(self, place: Place, stem: str, info: DownloadInfo) -> RawRow:
        tracks = [_track(file, stem, info) for file in self._by_stem.get(stem, ())]
        tracks += [_track(file, None, info) for file in self._named_by_id(info)]
        if missing := missing_tags(info, tracks, self._asked, self._languages):
            told = _NOT_DOWNLOADED.format(", ".join(missing))
            return RawRow(place, None, (tell(place, _id_of(info), (FETCH_FAILED, told, "rejected")),))
        return read_known(
            place, info.values, order_tracks(tracks, self._languages, info.values.get("language"))
        )

    def _named_by_id(self, info: DownloadInfo) -> Sequence[Path]:
        return self._by_id.get(_id_of(info), ())

    def _tracks_got(self) -> Iterator[ListedTrack]:
        """Read the info files once more, for the captions there are files of."""
        for stem, file in self._infos.items():
            if stem not in self._by_stem and not self._by_id:
                continue
            # A bad one is told with the rows.
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
    """Yield the ids that a name may have: `ID.en.vtt`, `Talk [ID].en.vtt`, youtube-dl's `Talk-ID.en.vtt`."""
    name = without_suffix(path.name)
    for stem in {name, name.rpartition(".")[0], parse_caption_name(path.name).stem} - {""}:
        yield stem
        if stem.endswith("]") and "[" in stem:
            yield stem[stem.rindex("[") + 1 : -1]
        before, dash = stem[:-_YOUTUBE_ID_LENGTH], stem[-_YOUTUBE_ID_LENGTH - 1 : -_YOUTUBE_ID_LENGTH]
        if before and dash == "-":
            yield stem[-_YOUTUBE_ID_LENGTH:]
