"""The columns of a table: their names in the catalogue, and the check that the required ones exist."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ingest.errors import SourceError
from ingest.rows.row import COLUMNS, REQUIRED_COLUMNS

_MOST_NAMES: Final = 20


def check_columns(path: Path, found: Collection[str]) -> None:
    """Raise SourceError if a required column is missing."""
    missing = [column for column in REQUIRED_COLUMNS if column not in found]
    if missing:
        names = ", ".join(repr(column) for column in islice(found, _MOST_NAMES)) or "none"
        more = f" and {len(found) - _MOST_NAMES:,} more" if len(found) > _MOST_NAMES else ""
        raise SourceError(
            f"{path}: has no column {' and no column '.join(missing)}; its columns are {names}{more}, "
            f"required are {', '.join(REQUIRED_COLUMNS)}: rename or add the missing ones"
        )


def check_duplicates(path: Path, columns: Sequence[str]) -> None:
    """Raise SourceError if two columns have the same name in the catalogue."""
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    if twice:
        raise SourceError(f"{path}: has more than one column {', '.join(twice)}; remove or rename one")


def columns_of(found: Sequence[str], known: Sequence[str] = COLUMNS) -> list[str]:
    """Return the catalogue's names of a table's columns: `Video ID` and `videoId` are `video_id`.

    Letter case, spaces, underscores and other punctuation are ignored. A column with exactly the catalogue's
    name keeps it; without one, all similar columns get it.
    """
    stripped = [column.strip("\ufeff \t\r\n") for column in found]
    by_letters = {_letters(column): column for column in known if column not in stripped}
    return [by_letters.get(_letters(column), column) for column in stripped]


def named_as_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's values by the catalogue's names; of several similar keys, the first one is used."""
    named: dict[str, Any] = {}
    for column, value in zip(_known_columns(tuple(values)), values.values(), strict=True):
        named.setdefault(column, value)
    return named


@lru_cache(maxsize=256)
def _known_columns(found: tuple[str, ...]) -> list[str]:
    return columns_of(found)


def _letters(column: str) -> str:
    return "".join(filter(str.isalnum, column)).casefold()
