"""Which SQLite errors mean that a cache file is damaged, as opposed to locked, full or unreadable."""

import sqlite3
from typing import Final

_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # Tables of another program or version: no such column.
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
    }
)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the content of the file is at fault, so that a new file would help."""
    code = getattr(error, "sqlite_errorcode", None)
    # Errors without a code are raised by Python or by us about a value that was read.
    return code is None or code & 0xFF in _DAMAGE
