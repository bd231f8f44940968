"""Caption files without a downloader's notes: single ones, and folders, with or without a list of videos."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ingest.rows.fields import is_absent
from ingest.rows.row import Place, RawRow, file_name
from ingest.sources.captions.caption_files import captioned_row, read_track, rows_of_file, tell
from ingest.sources.captions.choice import DEFAULT_LANGUAGES, CaptionTrack, order_tracks
from ingest.sources.captions.decoding import CaptionFileError, Telling
from ingest.sources.captions.names import (
    CAPTION_SUFFIXES,
    LIVE_CHAT,
    id_and_title,
    parse_caption_name,
    without_suffix,
)
from ingest.sources.tables.tables import CsvTable

LIST_NAME: Final = "videos.csv"

_OTHER_NAMES: Final = {"id": "video_id", "filename": "file"}


class CaptionFile:
    """A single caption file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[RawRow]:
        """Read it: one row, or several from a dump."""
        stem, track = bare_track(self._path)
        return rows_of_file(track, stem)


class CaptionFolder:
    """The caption files of one folder, in the order of their names; the folders in it are not entered.

    Files whose names differ only by language and format are one video. A `videos.csv` beside them says more:
    its `video_id` (or `id`) is the id in the files' names, or its `file` names them; its other columns are
    the catalogue's.

    Raises SourceError where the list cannot be read.
    """

    def __init__(self, path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        self._languages = languages
        self._videos = group_by_stem(caption_files(path))
        listed = list_of(path)
        self._list = CsvTable(listed, renamed=_OTHER_NAMES) if listed else None

    def rows(self) -> Iterator[RawRow]:
        """Read video by video: those of the list in its order, then those that it does not have."""
        rest = dict(self._videos)
        for row in self._list.rows() if self._list else ():
            yield row if row.values is None else self._listed(row, rest)
        for stem, tracks in rest.items():
            yield from read_bare(stem, order_tracks(tracks, self._languages))

    def _listed(self, row: RawRow, rest: dict[str, list[CaptionTrack]]) -> RawRow:
        """Read the captions of a listed video, and take them out of `rest`."""
        values = row.values or {}
        stem = _stem_of(values, rest)
        if stem is None:
            return row
        spoken = values.get("language") or None
        tracks = order_tracks(rest.pop(stem), self._languages, spoken)
        return read_known(row.place, {"video_id": stem, **values}, tracks, row)


def _stem_of(values: Any, stems: dict[str, list[CaptionTrack]]) -> str | None:
    """Find the files of a listed video: by the file's name if it is given, else by the id."""
    file = Path(str(values.get("file") or "")).name
    video_id = str(values.get("video_id") or "").strip()
    by_id = {id_and_title(stem)[0]: stem for stem in stems} if not file else {}
    for stem in (file, without_suffix(file), parse_caption_name(file).stem, video_id, by_id.get(video_id)):
        if stem and stem in stems:
            return stem
    return None


def list_of(folder: Path) -> Path | None:
    """Return the list that lies beside the caption files, if there is one."""
    return next((file for file in folder.iterdir() if file.name.lower() == LIST_NAME), None)


def caption_files(folder: Path) -> list[Path]:
    """List the caption files of a folder by name."""
    # A hidden file is an editor's or a file manager's, such as the `._x.srt` that macOS leaves.
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in CAPTION_SUFFIXES
        and not file.name.startswith(".")
        and not without_suffix(file.name).endswith(f".{LIVE_CHAT}")
        and file.is_file()
    )


def bare_track(path: Path) -> tuple[str, CaptionTrack]:
    """Return the stem and the track that a file's name gives."""
    name = parse_caption_name(path.name)
    kind: Final = "automatic" if name.is_automatic else None
    return name.stem, CaptionTrack(path, name.language, kind, name.is_original)


def group_by_stem(files: Sequence[Path]) -> dict[str, list[CaptionTrack]]:
    """Bring the files of one video together, in the order of its first."""
    videos: dict[str, list[CaptionTrack]] = {}
    for file in files:
        stem, track = bare_track(file)
        videos.setdefault(stem, []).append(track)
    return videos


def read_bare(stem: str, tracks: Sequence[CaptionTrack]) -> Iterator[RawRow]:
    """Read the first of a video's tracks that can be read; else its first one's rows say what is wrong."""
    failures: list[RawRow] = []
    for track in tracks:
        rows = rows_of_file(track, stem)
        # Up to the first good one: a dump may have more rows than memory holds.
        begun = list(_up_to_first_good(rows))
        if begun[-1].values is not None:
            passed_over = tuple(
                tell(problem.place, problem.video_id, (problem.reason_code, problem.message, "warning"))
                for failure in failures
                for problem in failure.problems
            )
            yield RawRow(begun[0].place, begun[0].values, passed_over + begun[0].problems)
            yield from begun[1:]
            yield from rows
            return
        failures += begun
    yield from failures[:1]


def _up_to_first_good(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    for row in rows:
        yield row
        if row.values is not None:
            return


def read_known(
    place: Place, values: dict[str, Any], tracks: Sequence[CaptionTrack], row: RawRow | None = None
) -> RawRow:
    """Read the captions of a video that a list or a downloader's notes describe, as the row at `place`.

    A track that cannot be read is passed over for the next, with a warning. A video whose tracks all cannot
    be read is a rejected row: it had captions, and must not lose those that the index has of it.
    """
    before = row.problems if row else ()
    if not is_absent(values.get("cues")):
        return RawRow(place, values, before)
    failures: list[tuple[Place, Telling]] = []
    for track in tracks:
        try:
            transcript, telling = read_track(track)
        except CaptionFileError as error:
            failures.append((Place(file_name(track.path)), (error.code, str(error), "warning")))
            continue
        found = captioned_row(place, values, track, transcript, telling)
        problems = [tell(at, str(values["video_id"]), telling) for at, telling in failures]
        return RawRow(place, found.values, (*before, *problems, *found.problems))
    if not failures:
        return RawRow(place, values, before)
    at, (code, message, _) = failures[0]
    told = f"{message}; or delete it, and the video goes in by its title alone"
    return RawRow(place, None, (tell(at, str(values["video_id"]), (code, told, "rejected")),))
