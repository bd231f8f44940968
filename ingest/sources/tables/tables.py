"""Tables: one row a video, in parquet, csv or jsonl. Read a few hundred rows at a time."""

import csv
import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, TextIO

import polars as pl

from ingest.errors import SourceError
from ingest.rows.row import COLUMNS, REQUIRED_COLUMNS, Place, RawRow, RowProblem, file_name
from ingest.sources.tables.text import lines_of, open_bytes, open_text, reading

SLICE_ROWS: Final = 512
PEEK_ROWS: Final = 100
MAX_CELL_CHARACTERS: Final = 64 * 1024 * 1024

_NAMES: Final = ("video_id", "channel", "language")
"""Columns that a whole number may stand in as a name: of what it is, not how much."""
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}
_UTF16_MARKS: Final = (BOM_UTF16_LE, BOM_UTF16_BE)

_UNITS: Final = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_PYTHON_SECONDS: Final = (-62_135_596_800, 253_402_300_799)  # From the year 1 to 9999, since 1970.


@contextmanager
def _reading_parquet(path: Path) -> Iterator[None]:
    """Tell what goes wrong with a parquet file as a whole as a SourceError that names it."""
    try:
        with reading(path):
            yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{path}: is not a readable parquet file ({reason}); write it again") from error


def _check_columns(path: Path, found: Collection[str]) -> None:
    missing = [column for column in REQUIRED_COLUMNS if column not in found]
    if missing:
        names = ", ".join(repr(column) for column in islice(found, 20)) or "none"
        more = f" and {len(found) - 20:,} more" if len(found) > 20 else ""  # noqa: PLR2004
        raise SourceError(
            f"{path}: has no column {' and no column '.join(missing)}; its columns are {names}{more}, "
            f"required are {', '.join(REQUIRED_COLUMNS)}: rename or add what is missing"
        )


def _check_once(path: Path, columns: Sequence[str]) -> None:
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    if twice:
        raise SourceError(f"{path}: has more than one column {', '.join(twice)}; remove or rename one")


def _not_a_row(place: Place, code: str, message: str) -> RawRow:
    return RawRow(place, None, (RowProblem(place, None, None, code, message),))


class ParquetTable:
    """A parquet file. Only the catalogue's columns are read: others may be embeddings, by the hundred."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if file_name(path) != str(path):
            raise SourceError(
                f"{file_name(path)}: is not named in UTF-8, as a parquet file is to be; rename it"
            )
        with _reading_parquet(path):
            # A path is one file's name here, whatever stars and equals signs are in it.
            self._frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            schema = self._frame.collect_schema()
        names = columns_of(schema.names())
        _check_columns(path, names)
        _check_once(path, names)
        self._frame = self._frame.select(
            _readable(found, schema[found], is_name=column in _NAMES).alias(column)
            for found, column in zip(schema.names(), names, strict=True)
            if column in COLUMNS
        )

    def rows(self) -> Iterator[RawRow]:
        """Read slice by slice: polars decodes a slice's pages only, even of one huge row group.

        Its own streaming (`collect_batches`) runs ahead of a slow reader until all is in memory.
        """
        number = 0
        while True:
            with _reading_parquet(self._path):
                rows = self._frame.slice(number, SLICE_ROWS).collect().rows(named=True)
            for values in rows:
                number += 1
                yield RawRow(Place(file_name(self._path), number), values)
            if len(rows) < SLICE_ROWS:
                return


def _readable(column: str, kind: pl.DataType, *, is_name: bool) -> pl.Expr:
    # polars panics, and takes the whole slice with it, at a date that Python cannot hold. As a text that is
    # no date it costs one row its date.
    cells = pl.col(column)
    if isinstance(kind, pl.Decimal) and is_name:
        # SQL's NUMERIC, as an export writes whole numbers: 12.00 is the id 12.
        whole = cells.cast(pl.Int128, strict=False)
        return pl.when(whole == cells).then(whole.cast(pl.String)).otherwise(cells.cast(pl.String))
    if isinstance(kind, pl.Date):
        kind = pl.Datetime("ms")
        cells = cells.cast(kind)
    if not isinstance(kind, pl.Datetime):
        return cells
    since_1970 = cells.to_physical()
    holds = (since_1970 // _UNITS[kind.time_unit]).is_between(*_PYTHON_SECONDS)
    dates = pl.when(holds).then(cells).cast(pl.String)
    return pl.coalesce(dates, pl.format(f"{{}} {kind.time_unit} since 1970", since_1970)).alias(column)


class _TextTable:
    """What csv and jsonl share: UTF-8 text, read line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path), open_bytes(path) as file:
            start = file.read(1024)
        if start.startswith(_UTF16_MARKS):
            raise SourceError(f"{path}: is UTF-16; save it as UTF-8")
        if not start.removeprefix(BOM_UTF8):
            raise SourceError(f"{path}: is empty; check what should have written it")

    def _place(self, line: int) -> Place:
        return Place(file_name(self._path), line, "line")


class CsvTable(_TextTable):
    """A csv file with a header line, read by Python's csv: polars cannot pass over one bad row.

    Its cells are divided by commas, or by semicolons or tabs where only these give the required columns.
    `renamed` gives columns that go by another name the catalogue's.
    """

    def __init__(self, path: Path, *, renamed: Mapping[str, str] | None = None) -> None:
        super().__init__(path)
        headers = {delimiter: self._read_header(delimiter, renamed or {}) for delimiter in _DELIMITERS}
        # What has both columns with one delimiter has them with no other.
        whole = (one for one, (found, _) in headers.items() if set(REQUIRED_COLUMNS) <= set(found))
        self._delimiter = next(whole, ",")
        self._header, fault = headers[self._delimiter]
        if fault:
            raise SourceError(f"{path}: the header {fault}; correct the first line")
        _check_columns(path, self._header)
        _check_once(path, self._header)

    def _read_header(self, delimiter: str, renamed: Mapping[str, str]) -> tuple[list[str], str]:
        with reading(self._path), open_text(self._path, "") as file:
            _, header, fault = next(_records(file, self._path, delimiter), (0, [], ""))
        return _renamed(columns_of(header, (*COLUMNS, *renamed, *renamed.values())), renamed), fault

    def rows(self) -> Iterator[RawRow]:
        """Read record by record; the number is that of the record's first line."""
        with reading(self._path), open_text(self._path, "") as file:
            for line, cells, fault in islice(_records(file, self._path, self._delimiter), 1, None):
                if fault:
                    yield _not_a_row(self._place(line), "invalid-csv", f"{fault}; correct the quotes")
                elif len(cells) != len(self._header):
                    counts = f"has {len(cells)} cells, the header has {len(self._header)}"
                    quote = f"quote cells with a {_DELIMITERS[self._delimiter]} in them"
                    yield _not_a_row(self._place(line), "ragged-row", f"{counts}; {quote}")
                else:
                    yield RawRow(self._place(line), dict(zip(self._header, cells, strict=True)))


def _renamed(header: list[str], names: Mapping[str, str]) -> list[str]:
    # A column that has the name already keeps it for itself.
    return [names[column] if names.get(column, column) not in header else column for column in header]


def _records(file: TextIO, path: Path, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield each record's first line, its cells, and what is wrong with it or an empty text."""
    # One limit for the whole process; its default, 128 KiB, is less than many a transcript.
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(lines_of(file, path), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # After an error the reader starts anew at the line after those it took.
            yield line, [], f"is not csv up to line {reader.line_num} ({error})"
        else:
            if cells:
                yield line, cells, ""


class JsonLinesTable(_TextTable):
    """A file with one JSON object a line, which may each have other keys."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        found: dict[str, None] = {}
        for row in islice(self.rows(), PEEK_ROWS):
            found |= dict.fromkeys(row.values or ())
        # Where no line is an object the rows say so, each by its number.
        if found:
            _check_columns(path, found)

    def rows(self) -> Iterator[RawRow]:
        """Read line by line, passing over blank ones."""
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
            return _not_a_row(place, "invalid-json", f"is not JSON ({reason}); write one object a line")
        if not isinstance(values, dict):
            return _not_a_row(place, "not-an-object", "is JSON but not an object; write one object a line")
        return RawRow(place, named_as_columns(values))


TABLES: Final[dict[str, Callable[[Path], ParquetTable | CsvTable | JsonLinesTable]]] = {
    ".parquet": ParquetTable,
    ".csv": CsvTable,
    ".jsonl": JsonLinesTable,
    ".csv.gz": CsvTable,
    ".jsonl.gz": JsonLinesTable,
}
"""The reader of each ending of a name; each checks the file's shape when built and raises SourceError."""


def columns_of(found: Sequence[str], known: Sequence[str] = COLUMNS) -> list[str]:
    """Return a table's columns as the catalogue names them: `Video ID` and `videoId` are `video_id`.

    Names are the same but for case, blanks, underscores and the like. A column that has the very name keeps
    it for itself; several that are only like it all get it.
    """
    stripped = [column.strip("\ufeff \t\r\n") for column in found]
    by_letters = {_letters(column): column for column in known if column not in stripped}
    return [by_letters.get(_letters(column), column) for column in stripped]


def named_as_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's values by the catalogue's names; of several that are like one the first has it."""
    named: dict[str, Any] = {}
    for column, value in zip(_known_columns(tuple(values)), values.values(), strict=True):
        named.setdefault(column, value)
    return named


@lru_cache(maxsize=256)
def _known_columns(found: tuple[str, ...]) -> list[str]:
    return columns_of(found)


def _letters(column: str) -> str:
    return "".join(filter(str.isalnum, column)).casefold()
