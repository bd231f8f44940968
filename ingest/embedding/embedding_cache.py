"""Embeddings cached on disk between runs, so that an interrupted run does not embed a text twice.

It is only a cache: a run continues without it after any error. Why SQLite, and why without a write-ahead log:
docs/decisions/0007-kept-embeddings.md.
"""

import fcntl
import math
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from ingest.sqlite_damage import is_damage
from retrieval.text.vectors import Embedding

MAX_BYTES: Final = 4 << 30
"""The maximum size of the file: about 2,400,000 embeddings of 384 numbers."""

FILE: Final = "embeddings.sqlite"
LOCK_FILE: Final = "lock"

_FORMAT: Final = 2
"""Increased when the tables change; a file in another format is replaced."""

_NUMBER: Final = np.dtype("<f4")
_OVERHEAD_BYTES: Final = 104
"""The approximate size of an entry without its embedding: key, row, and the key again in the index."""

_KEYS_PER_QUERY: Final = 500
_MIN_FREE_BYTES: Final = 1 << 30
_MIN_FREE_SHARE: Final = 20
"""On a small disk, one part in so many is left free instead."""


class CachedEmbedding(msgspec.Struct, frozen=True):
    """An embedding with the bits that were stored. `is_earlier`: before this cache was opened."""

    embedding: Embedding
    is_earlier: bool


class EmbeddingCache:
    """Embeddings of one dimension by key, in a file of a folder, which several processes may open.

    After a kill at any moment, each stored batch is complete or absent. A damaged file is replaced by an
    empty one. No error is raised once the cache is open; each problem is reported in one line of warning.
    """

    def __init__(
        self,
        folder: Path,
        dimension: int,
        *,
        warn: Callable[[str], None],
        max_bytes: int = MAX_BYTES,
        min_free_bytes: int | None = None,
        lock_seconds: float = 10.0,
    ) -> None:
        """Open the cache. Raises OSError or sqlite3.Error if that fails for another reason than damage.

        `min_free_bytes` stay free on the disk: by default 1 GiB, or 5% of a small disk. `lock_seconds`: how
        long to wait until another process ends its transaction.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / FILE
        self._entry_bytes = dimension * _NUMBER.itemsize
        self._warn = warn
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._lock_seconds = lock_seconds
        self._is_writable = True
        self._first_own = 0
        self._database: sqlite3.Connection | None = None
        # Shared while the file is open, exclusive to replace the file: SQLite finds a journal by its name, so
        # a process that had the old file open would write the journal of the new one.
        self._lock = (folder / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            try:
                self._open()
            except sqlite3.Error as e:
                if not is_damage(e):
                    raise
                self._replace_file(e)
        except BaseException:
            self.close()
            raise

    def find(self, keys: Sequence[bytes]) -> dict[bytes, CachedEmbedding]:
        """Return the entries with these keys. Entries of another length are ignored."""
        found: dict[bytes, CachedEmbedding] = {}
        if self._database is None:
            return found
        # Sorted, so that neighbours in the index are read together.
        ordered = sorted(keys)
        try:
            for at in range(0, len(ordered), _KEYS_PER_QUERY):
                asked = ordered[at : at + _KEYS_PER_QUERY]
                rows = self._database.execute(
                    "SELECT number, key, entry FROM embeddings "  # noqa: S608 - only question marks are added.
                    f"WHERE key IN ({', '.join('?' * len(asked))})",
                    asked,
                )
                for number, key, entry in rows:
                    if isinstance(entry, bytes) and len(entry) == self._entry_bytes:
                        embedding = np.frombuffer(entry, _NUMBER).astype(np.float32, copy=False)
                        found[key] = CachedEmbedding(embedding, is_earlier=number < self._first_own)
        except sqlite3.Error as e:
            if is_damage(e):
                self._replace_file(e)
            else:
                self._abandon(f"cannot be read ({e})")
        return found

    def store(self, embeddings: Mapping[bytes, Embedding]) -> None:
        """Store all of these embeddings or none; they are on disk when this returns.

        The oldest entries are deleted to make room, but none that were stored since this cache was opened: a
        run larger than the file would otherwise delete what it needs first when it is repeated.
        """
        entries = [(key, row.astype(_NUMBER, copy=False).tobytes()) for key, row in embeddings.items()]
        try:
            if entries and self._is_writable and self._disk_has_room():
                self._insert(entries)
        except OSError as e:
            self._stop_writing(f"could not be written ({e})")
        except sqlite3.Error as e:
            if is_damage(e):
                # This batch is lost; the next ones are stored in the new file.
                self._replace_file(e)
            else:
                self._stop_writing(f"could not be written ({e})")

    def close(self) -> None:
        """Close the files."""
        self._close_database()
        self._is_writable = False
        self._lock.close()

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> None:
        database = sqlite3.connect(self._path, timeout=self._lock_seconds, isolation_level=None)
        try:
            _prepare(database)
            # Numbers grow, so they show the order in which entries were stored.
            (newest,) = database.execute("SELECT max(number) FROM embeddings").fetchone()
        except BaseException:
            database.close()
            raise
        self._first_own = (newest or 0) + 1
        self._database = database

    def _insert(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        if (database := self._database) is None:
            return
        with database:
            database.execute("BEGIN IMMEDIATE")
            if self._make_room(database, entries):
                # An entry with the same key is unusable, or another process has just stored it.
                database.executemany("REPLACE INTO embeddings (key, entry) VALUES (?, ?)", entries)

    def _make_room(self, database: sqlite3.Connection, entries: Sequence[tuple[bytes, bytes]]) -> bool:
        """Delete the oldest entries until these fit. Return whether they do."""
        size = sum(len(entry) for _, entry in entries) + _OVERHEAD_BYTES * len(entries)
        while (excess := _bytes_used(database) + size - self._max_bytes) > 0:
            count = math.ceil(excess * len(entries) / size)
            deleted = database.execute(
                "DELETE FROM embeddings WHERE number IN "
                "(SELECT number FROM embeddings WHERE number < ? ORDER BY number LIMIT ?)",
                (self._first_own, count),
            ).rowcount
            if not deleted:
                self._stop_writing(f"is full ({self._max_bytes / 1e9:.1f} GB)")
                return False
        return True

    def _disk_has_room(self) -> bool:
        disk = shutil.disk_usage(self._folder)
        needed = self._min_free_bytes
        if disk.free < (min(_MIN_FREE_BYTES, disk.total // _MIN_FREE_SHARE) if needed is None else needed):
            self._stop_writing("is on a disk that is nearly full")
            return False
        return True

    def _replace_file(self, error: sqlite3.Error) -> None:
        """Start a new file in place of a damaged one, unless another process has it open."""
        self._close_database()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The journal first: SQLite would play it back into the new file.
            self._path.with_name(f"{FILE}-journal").unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            self._open()
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        except (OSError, sqlite3.Error) as e:
            self._abandon(f"is damaged ({error}) and cannot be replaced ({e})")
            return
        self._warn(f"warning: Starting a new embedding cache: {self._path} was damaged ({error}).")

    def _stop_writing(self, reason: str) -> None:
        self._is_writable = False
        self._warn(
            f"warning: The embedding cache {self._path} {reason}. The run continues, but does not cache its "
            "further embeddings."
        )

    def _abandon(self, reason: str) -> None:
        self._close_database()
        self._is_writable = False
        self._warn(f"warning: The embedding cache {self._path} {reason}. The run continues without it.")


def _prepare(database: sqlite3.Connection) -> None:
    # Limits for damaged pages, which may claim any length and contain invalid text.
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
    database.text_factory = bytes
    # A page of this size holds five embeddings of 384 numbers; half the size would waste a quarter of it.
    database.execute("PRAGMA page_size = 8192")
    database.execute("PRAGMA cache_size = -16384")
    database.execute("PRAGMA cell_size_check = ON")
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found not in (0, _FORMAT):
        raise sqlite3.DatabaseError(f"it has format {found}, and this program reads {_FORMAT}")
    if found == 0:
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, entry BLOB NOT NULL)"
            )
            database.execute(f"PRAGMA user_version = {_FORMAT}")


def _bytes_used(database: sqlite3.Connection) -> int:
    """Return the size of the pages in use; free pages are used again before the file grows."""
    (used,) = database.execute(
        "SELECT (page_count - freelist_count) * page_size "
        "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(used)
