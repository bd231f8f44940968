"""A folder as yt-dlp or youtube-dl leaves it: what it found out about each video beside its captions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ingest.rows import Place, RawRow, RowProblem, file_name
from ingest.sources.caption_choice import DEFAULT_LANGUAGES, CaptionKind, CaptionTrack, order_tracks
from ingest.sources.caption_folder import bare_track, caption_files, read_bare, read_known
from ingest.sources.caption_names import parse_caption_name, without_suffix
from ingest.sources.decoding import CaptionFileError
from ingest.sources.download_info import DownloadInfo, read_download_info

INFO_ENDING: Final = ".info.json"

_YOUTUBE_ID_LENGTH: Final = 11


def is_info_file(path: Path) -> bool:
    """Say whether a file is what yt-dlp wrote about a video."""
    return path.name.lower().endswith(INFO_ENDING) and not path.name.startswith(".") and path.is_file()


class DownloadsFolder:
    """The videos of a downloader's folder, in the order of their info files; folders in it are not entered.

    Caption files belong to the info file whose name they begin with, else to the video whose id they are
    named by. Those that belong to none are videos by themselves, after the others.
    """

    def __init__(self, path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        self._languages = languages
        self._infos = {
            file.name[: -len(INFO_ENDING)]: file for file in sorted(path.iterdir()) if is_info_file(file)
        }
        self._by_stem: dict[str, list[Path]] = {}
        self._others: list[Path] = []
        for file in caption_files(path):
            if is_info_file(file):
                continue
            stem = self._stem_of(file)
            if stem is None:
                self._others.append(file)
            else:
                self._by_stem.setdefault(stem, []).append(file)

    def _stem_of(self, file: Path) -> str | None:
        """Find the info file that a name begins with: `Talk [ID].info.json` for `Talk [ID].en.vtt`."""
        name = without_suffix(file.name)
        # Every site names languages its own way, so anything may stand between, but only once.
        stems = (name, name.rpartition(".")[0], parse_caption_name(file.name).stem)
        return next((stem for stem in stems if stem in self._infos), None)

    def rows(self) -> Iterator[RawRow]:
        """Read video by video."""
        others: dict[str, list[Path]] = {}
        for file in self._others:
            for video_id in _possible_ids(file):
                others.setdefault(video_id, []).append(file)
        used: set[Path] = set()
        for stem, file in self._infos.items():
            place = Place(file_name(file))
            try:
                info = read_download_info(file, stem)
            except CaptionFileError as error:
                problem = RowProblem(place, None, None, error.code, str(error))
                yield RawRow(place, None, (problem,))
                continue
            if info is None:
                continue
            tracks = [self._track(caption, stem, info) for caption in self._by_stem.get(stem, ())]
            named_by_id = others.get(str(info.values.get("video_id")), ())
            tracks += [self._track(caption, None, info) for caption in named_by_id]
            used.update(named_by_id)
            ordered = order_tracks(tracks, self._languages, info.values.get("language"))
            yield read_known(place, info.values, ordered)
        bare: dict[str, list[CaptionTrack]] = {}
        for file in self._others:
            if file not in used:
                stem, track = bare_track(file)
                bare.setdefault(stem, []).append(track)
        for stem, tracks in bare.items():
            yield from read_bare(stem, order_tracks(tracks, self._languages))

    @staticmethod
    def _track(path: Path, stem: str | None, info: DownloadInfo) -> CaptionTrack:
        name = parse_caption_name(path.name, stem=stem)
        tag = without_suffix(path.name).rpartition(".")[2]
        kind: CaptionKind | None = None
        if tag in info.manual:
            kind = "manual"
        elif tag in info.automatic or name.is_automatic:
            kind = "automatic"
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
