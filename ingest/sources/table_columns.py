"""The catalogue's columns by the names that tables give them (pure)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ingest.rows import COLUMNS


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
