"""The files that a run writes: reports, and the quarantine of rejected rows.

Each file is written under another name and renamed at the end, so that a reader never sees half of one.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, TextIO

import msgspec

from ingest.errors import IngestError
from ingest.rows.row import CheckedRow, file_name
from ingest.sources.youtube.addresses import PREFIX

_PAGES: Final = frozenset({".html", ".htm"})


class RowOutcome(msgspec.Struct, frozen=True):
    """One row of a JSON report. `outcome` is an Action, "rejected" or "truncated-passage"."""

    place: str | None
    video_id: str | None
    outcome: str
    problems: tuple[str, ...] = ()


class ReportFile:
    """A report that is being written. Rows are streamed to disk, so none stay in memory."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Write the report for `path` to `file`: HTML if the name ends in .html or .htm, otherwise JSON."""
        self.path = path
        self.is_page = path.suffix.lower() in _PAGES
        self._file = file
        self._rows = 0

    def row(self, outcome: RowOutcome) -> None:
        """Write one row. An HTML page has no rows and ignores it. Raises OSError."""
        if not self.is_page:
            self._file.write((b",\n" if self._rows else b'{"rows":[\n') + msgspec.json.encode(outcome))
            self._rows += 1

    def finish(self, page: str | None, summary: object) -> None:
        """Write the end of the report, `page` or the JSON `summary`, and rename the file. Raises OSError."""
        if page is not None:
            self._file.write(page.encode())
        else:
            opening = b"\n]" if self._rows else b'{"rows":[]'
            self._file.write(b'%b,"summary":%b}\n' % (opening, msgspec.json.encode(summary)))
        self._file.close()
        Path(self._file.name).replace(self.path)


@contextmanager
def report_file(path: Path) -> Iterator[ReportFile]:
    """Open a report; a report that is not finished is deleted.

    Raises IngestError if it cannot be written.
    """
    path = path.resolve()  # If `path` is a link, its target is replaced, not the link.
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        if path.exists() and not path.is_file():
            raise IngestError(
                f"Cannot write the report {path}: it is not a regular file. Nothing was changed."
            )
        file = unfinished.open("wb")
    except OSError as e:
        reason = e.strerror or e
        raise IngestError(f"Cannot write the report {path}: {reason}. Nothing was changed.") from e
    try:
        yield ReportFile(path, file)
    finally:
        with suppress(OSError):  # On a full disk, closing fails again. The file is deleted anyway.
            file.close()
        unfinished.unlink(missing_ok=True)


class Quarantine:
    """A file of rejected rows, one JSON object per line: the run's sources, the place, reasons and values."""

    def __init__(self, path: Path, file: TextIO, sources: Sequence[Path] = ()) -> None:
        """Write rejected rows of `sources` to `file`, which is renamed to `path` at the end of the run."""
        self.path = path
        self.rows = 0
        self.is_complete = True
        self.sources = _absolute_names(sources)
        self._file = file

    def add(self, row: CheckedRow) -> None:
        """Write a rejected row. Lone surrogates are escaped. Raises OSError."""
        self.rows += 1
        reasons = [
            {"code": problem.reason_code, "field": problem.field, "message": problem.message}
            for problem in row.problems
            if problem.severity == "rejected"
        ]
        entry = {"sources": self.sources, "place": str(row.place), "reasons": reasons, "row": row.raw}
        try:
            self._file.write(f"{json.dumps(entry, default=str)}\n")
        except OSError:
            self.is_complete = False  # The row is lost, and closing the file would not report that.
            raise


@contextmanager
def quarantining(path: Path, sources: Sequence[Path]) -> Iterator[Quarantine]:
    """Write the rejected rows of a run of `sources`; they replace those at `path` however the run ends.

    A successful run without rejected rows deletes `path` if it read all sources that the rows there are from.

    Raises IngestError, before anything is changed, if the file cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("w", encoding="utf-8")
    except OSError as e:
        raise IngestError(f"Cannot write {unfinished}: {e.strerror or e}. Nothing was changed.") from e
    quarantine = Quarantine(path, file, sources)
    try:
        try:
            yield quarantine
        except BaseException:
            with suppress(OSError):  # The run's own error is reported, not this one.
                file.close()
                _replace(quarantine, unfinished)
            raise
        file.close()
        if not quarantine.rows and _sources_in(path) <= set(quarantine.sources):
            path.unlink(missing_ok=True)
        _replace(quarantine, unfinished)
    finally:
        with suppress(OSError):  # On a full disk, closing fails again. The file is deleted anyway.
            file.close()
        unfinished.unlink(missing_ok=True)


def _replace(quarantine: Quarantine, unfinished: Path) -> None:
    if quarantine.rows and quarantine.is_complete:
        unfinished.replace(quarantine.path)


def _sources_in(path: Path) -> set[str]:
    """Return the sources of the rows in a file; none if an older version wrote it or it is damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            return set(json.loads(file.readline())["sources"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _absolute_names(sources: Iterable[Path]) -> list[str]:
    """Name sources so that the names do not depend on the working directory."""
    return [file_name(source if str(source).startswith(PREFIX) else source.absolute()) for source in sources]
