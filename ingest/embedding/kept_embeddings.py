"""Embeddings kept on disk from run to run, so that a run that was stopped embeds nothing twice.

It is a cache and no more: whatever is wrong with it, a run goes on without it. Why SQLite, and why without
a write-ahead log: docs/decisions/0007-kept-embeddings.md.
"""

import fcntl
import hashlib
import math
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from retrieval.text.vectors import Embedding

MOST_BYTES: Final = 4 << 30
"""How large the file may grow: about 2,400,000 embeddings of 384 numbers."""

FILE: Final = "embeddings.sqlite"
DAMAGED_FILE: Final = "embeddings.damaged"
LOCK_FILE: Final = "lock"

_FORM: Final = 1
"""Raised when what the file holds changes; a file of another form is set aside."""

_NUMBER: Final = np.dtype("<f4")
_DIGEST_BYTES: Final = 16
_BYTES_BESIDE: Final = 120
"""What an entry takes beside its embedding, about: key, digest, row, and the key again in the index."""

_KEYS_A_QUESTION: Final = 500
_LONGEST_ENTRY: Final = 1 << 20
_SECONDS_TO_WAIT: Final = 10.0
"""For another process to end its transaction, which takes milliseconds."""

_ROOM_LEFT: Final = 1 << 30
_SHARE_LEFT: Final = 20
"""On a small disk, one part in so many is left free instead: what is kept must not fill it."""

_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # Another file's tables: no such column.
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
    }
)


class KeptEmbedding(msgspec.Struct, frozen=True):
    """An embedding as it was computed, bit by bit, and whether that was before this store was opened."""

    embedding: Embedding
    is_earlier: bool


class KeptEmbeddings:
    """Embeddings by key, in a file of the folder.

    A kill at any moment leaves each batch kept whole or not at all, and the digest that every entry carries
    shows what a disk has changed since. Several processes may have the folder open. A file that cannot be
    made out is set aside as DAMAGED_FILE, in place of an earlier one, and a new one begun. What goes wrong
    is told in one line and raises nothing once the store is open.
    """

    def __init__(self, folder: Path, *, tell: Callable[[str], None], most_bytes: int = MOST_BYTES) -> None:
        """Open the store in a folder. Raises OSError or sqlite3.Error where that cannot be done."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / FILE
        self._tell = tell
        self._most_bytes = most_bytes
        self._keeps = True
        self._first_own = 0
        self._database: sqlite3.Connection | None = None
        # Shared while the file is open. To set the file aside it must be held alone: SQLite finds a journal
        # by its name, so whoever had the old file open would write the new file's.
        self._lock = (folder / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            try:
                self._open()
            except sqlite3.Error as e:
                if not _is_damage(e):
                    raise
                self._set_aside(e)
        except BaseException:
            self.close()
            raise

    def find(self, keys: Sequence[bytes]) -> dict[bytes, KeptEmbedding]:
        """Return what is kept under these keys; nothing is returned that is not as it was kept."""
        found: dict[bytes, KeptEmbedding] = {}
        if self._database is None:
            return found
        # In their order, so that neighbours in the index are read together.
        ordered = sorted(keys)
        try:
            for at in range(0, len(ordered), _KEYS_A_QUESTION):
                asked = ordered[at : at + _KEYS_A_QUESTION]
                rows = self._database.execute(
                    "SELECT number, key, entry FROM embeddings "  # noqa: S608 - question marks are all it adds.
                    f"WHERE key IN ({', '.join('?' * len(asked))})",
                    asked,
                )
                for number, key, entry in rows:
                    embedding = _embedding_of(key, entry)
                    if embedding is not None:
                        found[key] = KeptEmbedding(embedding, is_earlier=number < self._first_own)
        except sqlite3.Error as e:
            if _is_damage(e):
                self._set_aside(e)
            else:
                self._leave(f"cannot be read ({e})")
        return found

    def keep(self, embeddings: Mapping[bytes, Embedding]) -> None:
        """Keep embeddings, all of them or none; they are on disk when this returns.

        The oldest make room for them, but none of those kept since this store was opened: a run that is
        larger than the file would otherwise push out what it is about to ask for when it is run again.
        """
        entries = [(key, _entry_of(key, embedding)) for key, embedding in embeddings.items()]
        if not entries or not self._keeps or not self._disk_has_room():
            return
        try:
            self._insert(entries)
        except sqlite3.Error as e:
            if _is_damage(e):
                # These are not kept; the next ones go into a new file.
                self._set_aside(e)
            else:
                self._keep_no_more(f"could not be written ({e})")

    def close(self) -> None:
        """Close the files."""
        if self._database is not None:
            self._database.close()
            self._database = None
        self._keeps = False
        self._lock.close()

    def _open(self) -> None:
        database = sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
        try:
            _prepare(database)
            # Numbers grow, so they tell the order in which entries came.
            (newest,) = database.execute("SELECT max(number) FROM embeddings").fetchone()
        except BaseException:
            database.close()
            raise
        self._first_own = (newest or 0) + 1
        self._database = database

    def _insert(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        database = self._database
        if database is None:
            return
        with database:
            database.execute("BEGIN IMMEDIATE")
            if self._make_room(database, entries):
                # Over what is there: it was not found, so it is damaged or another process's of just now.
                database.executemany("REPLACE INTO embeddings (key, entry) VALUES (?, ?)", entries)

    def _make_room(self, database: sqlite3.Connection, entries: Sequence[tuple[bytes, bytes]]) -> bool:
        """Delete the oldest entries until these fit; say whether they do."""
        size = sum(len(entry) for _, entry in entries) + _BYTES_BESIDE * len(entries)
        while (excess := _bytes_used(database) + size - self._most_bytes) > 0:
            count = math.ceil(excess * len(entries) / size)
            deleted = database.execute(
                "DELETE FROM embeddings WHERE number IN "
                "(SELECT number FROM embeddings WHERE number < ? ORDER BY number LIMIT ?)",
                (self._first_own, count),
            ).rowcount
            if not deleted:
                self._keep_no_more(f"is full ({self._most_bytes / 1e9:.1f} GB)")
                return False
        return True

    def _disk_has_room(self) -> bool:
        try:
            disk = shutil.disk_usage(self._folder)
        except OSError as e:
            self._keep_no_more(f"could not be written ({e})")
            return False
        if disk.free < min(_ROOM_LEFT, disk.total // _SHARE_LEFT):
            self._keep_no_more("is on a disk that is nearly full")
            return False
        return True

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Begin a new file in place of one that cannot be made out, unless another process has it open."""
        if self._database is not None:
            self._database.close()
            self._database = None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The journal first: SQLite would play it back into the new file.
            self._path.with_name(f"{FILE}-journal").unlink(missing_ok=True)
            aside = self._path.replace(self._folder / DAMAGED_FILE)
            self._open()
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        except (OSError, sqlite3.Error) as e:
            self._leave(f"is damaged ({error}), and no new one can be begun ({e})")
            return
        self._tell(
            f"warning: The file of kept embeddings, {self._path}, is damaged ({error}). A new one is begun; "
            f"the old one is {aside} and may be deleted."
        )

    def _keep_no_more(self, reason: str) -> None:
        self._keeps = False
        self._tell(
            f"warning: The file of kept embeddings, {self._path}, {reason}. From here on this run's are not "
            "kept; it goes on."
        )

    def _leave(self, reason: str) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        self._keeps = False
        self._tell(
            f"warning: The file of kept embeddings, {self._path}, {reason}. This run goes on without it."
        )


def _is_damage(error: sqlite3.Error) -> bool:
    """Tell a file that cannot be made out from one that cannot be reached, read or written now."""
    code = getattr(error, "sqlite_errorcode", None)
    # An error without a code is Python's or ours, about what was read.
    return code is None or code & 0xFF in _DAMAGE


def _prepare(database: sqlite3.Connection) -> None:
    # A length that a damaged page claims is not to be believed, nor its text to be decoded.
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ENTRY)
    database.text_factory = bytes
    # Five embeddings of 384 numbers fill a page of this size; two would leave a quarter of half of it empty.
    database.execute("PRAGMA page_size = 8192")
    database.execute("PRAGMA cache_size = -16384")
    database.execute("PRAGMA cell_size_check = ON")
    (form,) = database.execute("PRAGMA user_version").fetchone()
    if form not in (0, _FORM):
        raise sqlite3.DatabaseError(f"it has form {form}, and this program reads {_FORM}")
    if form == 0:
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, entry BLOB NOT NULL)"
            )
            database.execute(f"PRAGMA user_version = {_FORM}")


def _bytes_used(database: sqlite3.Connection) -> int:
    """Count the bytes of pages in use; free ones are used again before the file grows."""
    ((pages,), (free,), (size,)) = (
        database.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    used: int = (pages - free) * size
    return used


def _entry_of(key: bytes, embedding: Embedding) -> bytes:
    numbers = embedding.astype(_NUMBER, copy=False).tobytes()
    return _digest(key, numbers) + numbers


def _embedding_of(key: object, entry: object) -> Embedding | None:
    """Return the embedding of an entry, or None where it is not what was kept under this key."""
    if not isinstance(key, bytes) or not isinstance(entry, bytes):
        return None
    numbers = entry[_DIGEST_BYTES:]
    if entry[:_DIGEST_BYTES] != _digest(key, numbers):
        return None
    return np.frombuffer(numbers, _NUMBER).astype(np.float32, copy=False)


def _digest(key: bytes, numbers: bytes) -> bytes:
    return hashlib.blake2b(key + numbers, digest_size=_DIGEST_BYTES).digest()
