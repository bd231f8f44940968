"""Text tables, csv and jsonl, with one row for each video. Read line by line."""

import csv
import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from json import JSONDecodeError
from pathlib import Path
from typing import Final, TextIO

from ingest.errors import SourceError
from ingest.rows.row import COLUMNS, REQUIRED_COLUMNS, Place, RawRow, file_name, rejected_row
from ingest.sources.tables.columns import check_columns, check_duplicates, columns_of, named_as_columns
from ingest.sources.tables.parquet import ParquetTable
from ingest.sources.tables.text import lines_of, open_bytes, open_text, reading

PEEK_ROWS: Final = 100
MAX_CELL_CHARACTERS: Final = 64 * 1024 * 1024

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}
_UTF16_MARKS: Final = (BOM_UTF16_LE, BOM_UTF16_BE)


class _TextTable:
    """UTF-8 text, read line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path), open_bytes(path) as file:
            start = file.read(1024)
        if start.startswith(_UTF16_MARKS):
            raise SourceError(f"{path}: is UTF-16; save it as UTF-8")
        if not start.removeprefix(BOM_UTF8):
            raise SourceError(f"{path}: is empty; check the program that writes it")

    def _place(self, line: int) -> Place:
        return Place(file_name(self._path), line, "line")


class CsvTable(_TextTable):
    """A csv file with a header line, read by Python's csv because polars cannot skip one invalid row.

    Cells are separated by commas, or by semicolons or tabs if only these give the required columns.
    `renamed` maps other names of columns to the catalogue's.
    """

    def __init__(self, path: Path, *, renamed: Mapping[str, str] | None = None) -> None:
        super().__init__(path)
        headers = {delimiter: self._read_header(delimiter, renamed or {}) for delimiter in _DELIMITERS}
        # At most one delimiter gives both required columns.
        whole = (one for one, (found, _) in headers.items() if set(REQUIRED_COLUMNS) <= set(found))
        self._delimiter = next(whole, ",")
        self._header, fault = headers[self._delimiter]
        if fault:
            raise SourceError(f"{path}: the header {fault}; correct the first line")
        check_columns(path, self._header)
        check_duplicates(path, self._header)

    def _read_header(self, delimiter: str, renamed: Mapping[str, str]) -> tuple[list[str], str]:
        with reading(self._path), open_text(self._path, "") as file:
            _, header, fault = next(_records(file, self._path, delimiter), (0, [], ""))
        return _renamed(columns_of(header, (*COLUMNS, *renamed, *renamed.values())), renamed), fault

    def rows(self) -> Iterator[RawRow]:
        """Read record by record; its place is its first line."""
        with reading(self._path), open_text(self._path, "") as file:
            for line, cells, fault in islice(_records(file, self._path, self._delimiter), 1, None):
                if fault:
                    yield rejected_row(self._place(line), "invalid-csv", f"{fault}; correct the quotes")
                elif len(cells) != len(self._header):
                    counts = f"has {len(cells)} cells, but the header has {len(self._header)}"
                    quote = f"quote cells that contain a {_DELIMITERS[self._delimiter]}"
                    yield rejected_row(self._place(line), "ragged-row", f"{counts}; {quote}")
                else:
                    yield RawRow(self._place(line), dict(zip(self._header, cells, strict=True)))


def _renamed(header: list[str], names: Mapping[str, str]) -> list[str]:
    # A column that already has the name keeps it.
    return [names[column] if names.get(column, column) not in header else column for column in header]


def _records(file: TextIO, path: Path, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield each record's first line, its cells, and its fault or an empty text."""
    # The limit is global; its default of 128 KiB is less than many transcripts.
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(lines_of(file, path), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # After an error the reader continues with the next line.
            yield line, [], f"is not csv up to line {reader.line_num} ({error})"
        else:
            if cells:
                yield line, cells, ""


class JsonLinesTable(_TextTable):
    """A file with one JSON object per line; the objects may have different keys."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        found: dict[str, None] = {}
        for row in islice(self.rows(), PEEK_ROWS):
            found |= dict.fromkeys(row.values or ())
        # If no line is an object, each row is rejected with its line number.
        if found:
            check_columns(path, found)

    def rows(self) -> Iterator[RawRow]:
        """Read line by line and skip blank lines."""
        with reading(self._path), open_text(self._path, "\n") as file:
            for number, line in enumerate(lines_of(file, self._path), 1):
                if line.strip():
                    yield self._row(self._place(number), line)

    def _row(self, place: Place, line: str) -> RawRow:
        try:
            values = json.loads(line.rstrip())
        except (ValueError, RecursionError) as error:
            reason = (
                f"{error.msg}, character {error.pos + 1}"
                if isinstance(error, JSONDecodeError)
                else str(error)
            )
            return rejected_row(place, "invalid-json", f"is not JSON ({reason}); write one object per line")
        if not isinstance(values, dict):
            return rejected_row(
                place, "not-an-object", "is JSON but not an object; write one object per line"
            )
        return RawRow(place, named_as_columns(values))


TABLES: Final[dict[str, Callable[[Path], ParquetTable | CsvTable | JsonLinesTable]]] = {
    ".parquet": ParquetTable,
    ".csv": CsvTable,
    ".jsonl": JsonLinesTable,
    ".csv.gz": CsvTable,
    ".jsonl.gz": JsonLinesTable,
}
"""The readers by suffix. When built, each checks the file's columns and raises SourceError."""
