"""The file of a report: one JSON document with a row a line, or one HTML page.

It is written beside its place and put there at the end, so that nobody reads half of one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from ingest.errors import IngestError
from ingest.reports.summary import RefusedRow, RowOutcome, RunSummary
from ingest.rows.row import RowProblem

_PAGES: Final = frozenset({".html", ".htm"})


class ReportFile:
    """A report while it is written: rows go to the disk as they come, and memory holds none of them."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Write into `file` what is to be at `path`: a page if its name ends in .html or .htm, else JSON."""
        self.path = path
        self.is_page = path.suffix.lower() in _PAGES
        self._file = file
        self._rows = 0

    def row(self, outcome: RowOutcome) -> None:
        """Write a row; a page has counts, and the first rejected rows, instead. Raises OSError."""
        if not self.is_page:
            self._file.write((b",\n" if self._rows else b'{"rows":[\n') + msgspec.json.encode(outcome))
            self._rows += 1

    def put(
        self, summary: RunSummary, refused: Sequence[RefusedRow], examples: Mapping[str, RowProblem]
    ) -> None:
        """Write what is left to write, and put the file in its place. Raises OSError.

        A page shows `refused`, the first rejected rows, and of `examples` the problem of a severity and code.
        """
        self._file.write(_page(summary, refused, examples) if self.is_page else self._end(summary))
        self._file.close()
        Path(self._file.name).replace(self.path)

    def _end(self, summary: RunSummary) -> bytes:
        opening = b"\n]" if self._rows else b'{"rows":[]'
        return b'%b,"summary":%b}\n' % (opening, msgspec.json.encode(summary))


def _page(summary: RunSummary, refused: Sequence[RefusedRow], examples: Mapping[str, RowProblem]) -> bytes:
    from ingest.reports.page import render_page  # noqa: PLC0415 - few runs need what makes pages.

    return render_page(summary, refused, examples).encode()


@contextmanager
def report_file(path: Path) -> Iterator[ReportFile]:
    """Begin a report beside its place; one that is not put there is deleted.

    Raises IngestError where it cannot be written.
    """
    path = path.resolve()  # A link stays one, and what it leads to is replaced.
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        if path.exists() and not path.is_file():
            raise IngestError(f"The report {path} cannot be written: it is no file. Nothing was done.")
        file = unfinished.open("wb")
    except OSError as e:
        raise IngestError(f"The report {path} cannot be written: {e.strerror or e}. Nothing was done.") from e
    try:
        yield ReportFile(path, file)
    finally:
        with suppress(OSError):  # What could not be written so far cannot be now, and is deleted.
            file.close()
        unfinished.unlink(missing_ok=True)
