"""Caption files without info files of a downloader: single files, and folders with or without a list."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ingest.rows.fields import is_absent
from ingest.rows.row import Place, RawRow, RowProblem, file_name
from ingest.sources.captions.caption_files import captioned_row, cues_problem, read_track, rows_of_file
from ingest.sources.captions.choice import DEFAULT_LANGUAGES, CaptionTrack, order_tracks
from ingest.sources.captions.decoding import CaptionFileError, FileProblem
from ingest.sources.captions.names import (
    CAPTION_SUFFIXES,
    LIVE_CHAT,
    id_and_title,
    parse_caption_name,
    without_suffix,
)
from ingest.sources.folders.media import MediaFolder
from ingest.sources.tables.tables import CsvTable

LIST_NAME: Final = "videos.csv"

_OTHER_NAMES: Final = {"id": "video_id", "filename": "file"}


class CaptionFile:
    """A single caption file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[RawRow]:
        """Read the file: one row, or several from a dump."""
        stem, track = bare_track(self._path)
        return rows_of_file(track, stem)


class CaptionFolder:
    """The caption files of one folder, in the order of their names; subfolders are not read.

    Files whose names differ only by language and format are one video. A `videos.csv` next to them can
    describe the videos: its `video_id` (or `id`) is the id in the files' names, or its `file` is the name of
    the file. Its other columns are those of a catalogue. `source` is the folder that the paths of media files
    are relative to.

    Raises SourceError if the list cannot be read.
    """

    def __init__(
        self, path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES, source: Path | None = None
    ) -> None:
        self._languages = languages
        self._media = MediaFolder(path, source or path)
        self._videos = group_by_stem(caption_files(path))
        listed = list_of(path)
        self._list = CsvTable(listed, renamed=_OTHER_NAMES) if listed else None

    def rows(self) -> Iterator[RawRow]:
        """Read video by video: first those of the list in its order, then the others."""
        rest = dict(self._videos)
        for row in self._list.rows() if self._list else ():
            yield row if row.values is None else self._listed(row, rest)
        for stem, tracks in rest.items():
            yield from self._media.added_to_bare(stem, read_bare(stem, order_tracks(tracks, self._languages)))

    def _listed(self, row: RawRow, rest: dict[str, list[CaptionTrack]]) -> RawRow:
        """Read the captions of a listed video, and remove them from `rest`."""
        values = row.values or {}
        stem = _stem_of(values, rest)
        if stem is None:
            return row
        spoken = values.get("language") or None
        tracks = order_tracks(rest.pop(stem), self._languages, spoken)
        return self._media.added(stem, read_known(row.place, {"video_id": stem, **values}, tracks, row))


def _stem_of(values: Any, stems: dict[str, list[CaptionTrack]]) -> str | None:
    """Find the files of a listed video by the column `file`, else by the id."""
    file = Path(str(values.get("file") or "")).name
    video_id = str(values.get("video_id") or "").strip()
    by_id = {id_and_title(stem)[0]: stem for stem in stems} if not file else {}
    for stem in (file, without_suffix(file), parse_caption_name(file).stem, video_id, by_id.get(video_id)):
        if stem and stem in stems:
            return stem
    return None


def list_of(folder: Path) -> Path | None:
    """Return the list next to the caption files, if there is one."""
    return next((file for file in folder.iterdir() if file.name.lower() == LIST_NAME), None)


def caption_files(folder: Path) -> list[Path]:
    """Return the caption files of a folder, sorted by name."""
    # Hidden files belong to editors and file managers, such as the `._x.srt` of macOS.
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in CAPTION_SUFFIXES
        and not file.name.startswith(".")
        and not without_suffix(file.name).endswith(f".{LIVE_CHAT}")
        and file.is_file()
    )


def bare_track(path: Path) -> tuple[str, CaptionTrack]:
    """Return the stem and the track in a file's name."""
    name = parse_caption_name(path.name)
    kind: Final = "automatic" if name.is_automatic else None
    return name.stem, CaptionTrack(path, name.language, kind, name.is_original)


def group_by_stem(files: Sequence[Path]) -> dict[str, list[CaptionTrack]]:
    """Group the files by video, in the order of the first file of each."""
    videos: dict[str, list[CaptionTrack]] = {}
    for file in files:
        stem, track = bare_track(file)
        videos.setdefault(stem, []).append(track)
    return videos


def read_bare(stem: str, tracks: Sequence[CaptionTrack]) -> Iterator[RawRow]:
    """Yield the rows of the first track that can be read, else the problems of the first track."""
    failures: list[RawRow] = []
    for track in tracks:
        rows = rows_of_file(track, stem)
        # Only up to the first valid row: the rows of a dump may not fit into memory.
        first_rows = list(_up_to_first_valid(rows))
        if first_rows[-1].values is not None:
            skipped = tuple(
                msgspec.structs.replace(problem, severity="warning")
                for failure in failures
                for problem in failure.problems
            )
            yield msgspec.structs.replace(first_rows[0], problems=skipped + first_rows[0].problems)
            yield from first_rows[1:]
            yield from rows
            return
        failures += first_rows
    yield from failures[:1]


def _up_to_first_valid(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    for row in rows:
        yield row
        if row.values is not None:
            return


def read_known(
    place: Place, values: dict[str, Any], tracks: Sequence[CaptionTrack], row: RawRow | None = None
) -> RawRow:
    """Read the captions of a video that a list or an info file describes; the row's place is `place`.

    If a track cannot be read, the next one is tried, with a warning. If no track can be read, the row is
    rejected, so that the index keeps the video's current captions.
    """
    before = row.problems if row else ()
    if not is_absent(values.get("cues")):
        return RawRow(place, values, before)
    failures: list[RowProblem] = []
    video_id = str(values["video_id"])
    for track in tracks:
        try:
            transcript, file_problems = read_track(track)
        except CaptionFileError as error:
            problem = FileProblem(error.code, str(error), "warning")
            failures.append(cues_problem(Place(file_name(track.path)), video_id, problem))
            continue
        found = captioned_row(place, values, track, transcript, file_problems)
        return RawRow(place, found.values, (*before, *failures, *found.problems), found.cues)
    if not failures:
        return RawRow(place, values, before)
    message = f"{failures[0].message}; or delete it to index the video without a transcript"
    return RawRow(place, None, (msgspec.structs.replace(failures[0], message=message, severity="rejected"),))
