"""Parquet tables, read a few hundred rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from ingest.errors import SourceError
from ingest.rows.row import COLUMNS, Place, RawRow, file_name
from ingest.sources.tables.columns import check_columns, check_duplicates, columns_of
from ingest.sources.tables.text import reading

SLICE_ROWS: Final = 512

_NAMES: Final = ("video_id", "channel", "language")
"""Columns in which a whole number is a name, not a quantity."""

_UNITS: Final = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_PYTHON_SECONDS: Final = (-62_135_596_800, 253_402_300_799)  # From the year 1 to 9999, since 1970.


@contextmanager
def _reading_parquet(path: Path) -> Iterator[None]:
    """Raise errors that concern the whole file as a SourceError that names it."""
    try:
        with reading(path):
            yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{path}: is not a readable parquet file ({reason}); write it again") from error


class ParquetTable:
    """A parquet file. Only the catalogue's columns are read: others may be large, such as embeddings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if file_name(path) != str(path):
            raise SourceError(f"{file_name(path)}: its name is not UTF-8, as parquet requires; rename it")
        with _reading_parquet(path):
            # The path is the name of one file, even if it contains stars and equals signs.
            self._frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            schema = self._frame.collect_schema()
        names = columns_of(schema.names())
        check_columns(path, names)
        check_duplicates(path, names)
        self._frame = self._frame.select(
            _readable(found, schema[found], is_name=column in _NAMES).alias(column)
            for found, column in zip(schema.names(), names, strict=True)
            if column in COLUMNS
        )

    def rows(self) -> Iterator[RawRow]:
        """Read slice by slice. Polars decodes only the pages of a slice, even if there is one row group.

        Its own streaming (`collect_batches`) runs ahead of a slow reader and fills the memory.
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
    # Polars panics, and loses the whole slice, on a date that Python does not support. Read as text, the
    # date is invalid and is only left out of its row.
    cells = pl.col(column)
    if isinstance(kind, pl.Decimal) and is_name:
        # Exports write whole numbers of SQL's NUMERIC as 12.00, which is the id 12.
        whole = cells.cast(pl.Int128, strict=False)
        return pl.when(whole == cells).then(whole.cast(pl.String)).otherwise(cells.cast(pl.String))
    if isinstance(kind, pl.Date):
        kind = pl.Datetime("ms")
        cells = cells.cast(kind)
    if not isinstance(kind, pl.Datetime):
        return cells
    since_1970 = cells.to_physical()
    is_valid = (since_1970 // _UNITS[kind.time_unit]).is_between(*_PYTHON_SECONDS)
    dates = pl.when(is_valid).then(cells).cast(pl.String)
    return pl.coalesce(dates, pl.format(f"{{}} {kind.time_unit} since 1970", since_1970)).alias(column)
