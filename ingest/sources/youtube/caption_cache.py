"""Fetched captions, cached on disk between runs, and rows of a channel, stored for the next reading."""

import hashlib
import logging
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.errors import SourceError
from ingest.sqlite_damage import is_damage
from retrieval.catalogue.languages import normalize_language

_DAY: Final = 24 * 3600.0
CACHED_SECONDS: Final = (20 * _DAY, 40 * _DAY)
"""Captions expire after a time between these, different for each video. With one time for all, a channel that
was fetched in one run would be fetched again in one, and YouTube blocks addresses that request so much."""
MISSING_SECONDS: Final = _DAY
"""YouTube generates captions some hours after an upload, so missing ones are requested again after a day."""
DELETED_SECONDS: Final = 365 * _DAY
"""An entry that was not fetched again for so long belongs to a video or languages that no source has now."""

_IN_A_TEMPORARY_FILE: Final = ""
"""SQLite's name for a database in a nameless file, which is deleted when the process ends."""

_log = logging.getLogger(__name__)


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Raise errors of SQLite and of the disk as a SourceError that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as e:
        raise SourceError(f"{place}: cannot store fetched captions ({e}); check the disk") from e


class CaptionCache:
    """Encoded captions by key, in a file of a folder, or in a temporary file if `folder` is None.

    Several runs share a folder, so a run that was interrupted continues. If the process is killed, SQLite's
    journal restores the file. A damaged file is replaced by an empty one when it is opened, and a damaged
    entry is deleted, each with one line in the log: the captions are fetched again. Entries expire after 20
    to 40 days but remain until they are replaced; entries older than a year are deleted on opening.

    Raises SourceError if the file cannot be read or written.
    """

    def __init__(
        self, folder: Path | None, languages: Sequence[str], *, now: Callable[[], float] = time.time
    ) -> None:
        self._file = str(folder / "captions.sqlite") if folder else _IN_A_TEMPORARY_FILE
        self._place = self._file or "the temporary folder"
        # Other languages may lead to other captions; another spelling of the same ones does not.
        self._languages = ",".join(map(normalize_language, languages))
        self._now = now
        with _naming(self._place):
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
            try:
                self._database = self._open()
            except sqlite3.Error as e:
                if not is_damage(e):
                    raise
                _log.warning("Starting a new caption cache: %s is damaged (%s).", self._file, e)
                # The journal first: SQLite would play it back into the new file.
                Path(f"{self._file}-journal").unlink(missing_ok=True)
                Path(self._file).unlink()
                self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file)
        try:
            with database:
                _check_integrity(database)
                database.execute(
                    "CREATE TABLE IF NOT EXISTS captions (key TEXT, languages TEXT, fetched_at REAL, "
                    "is_missing INTEGER, answer BLOB, PRIMARY KEY (key, languages))"
                )
                database.execute(
                    "DELETE FROM captions WHERE fetched_at < ?", (self._now() - DELETED_SECONDS,)
                )
        except BaseException:
            database.close()
            raise
        return database

    def find(self, key: str, *, even_if_expired: bool = False) -> bytes | None:
        """Return an entry, or None if there is none or it has expired.

        `even_if_expired`: return expired captions too, for use when they cannot be fetched. An expired entry
        that there were no captions is never returned: there may be some by now.
        """
        with _naming(self._place):
            row = self._database.execute(
                "SELECT fetched_at, is_missing, answer FROM captions WHERE key = ? AND languages = ?",
                (key, self._languages),
            ).fetchone()
        if row is None:
            return None
        fetched_at, is_missing, answer = row
        try:
            lifetime = MISSING_SECONDS if is_missing else _cached_seconds(key)
            is_expired = self._now() - fetched_at >= lifetime
            entry = zlib.decompress(answer)
        except (TypeError, zlib.error) as e:
            self.discard(key, e)
            return None
        return None if is_expired and (is_missing or not even_if_expired) else entry

    def store(self, key: str, entry: bytes, *, is_missing: bool) -> None:
        """Store an entry; it is on disk when this returns."""
        row = (key, self._languages, self._now(), is_missing, zlib.compress(entry))
        with _naming(self._place), self._database:
            self._database.execute("REPLACE INTO captions VALUES (?, ?, ?, ?, ?)", row)

    def discard(self, key: str, error: Exception) -> None:
        """Delete a damaged entry, with one line in the log."""
        _log.warning("Discarding a damaged entry of the caption cache (%s): %s", key.strip(), error)
        with _naming(self._place), self._database:
            self._database.execute(
                "DELETE FROM captions WHERE key = ? AND languages = ?", (key, self._languages)
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _check_integrity(database: sqlite3.Connection) -> None:
    (result,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise sqlite3.DatabaseError(result)


def _cached_seconds(key: str) -> float:
    """Return the lifetime of an entry: always the same for one key, and spread evenly over all keys."""
    shortest, longest = CACHED_SECONDS
    place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) / 2**32
    return shortest + (longest - shortest) * place


class RowStore:
    """Encoded rows in the order they were added, in a nameless temporary file. Can be read repeatedly."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(_IN_A_TEMPORARY_FILE, isolation_level=None)
        self._database.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, row BLOB)")

    def add(self, row: bytes) -> None:
        """Append a row. Raises SourceError if the disk is full."""
        with _naming("the temporary folder"):
            self._database.execute("INSERT INTO rows (row) VALUES (?)", (zlib.compress(row),))

    def __iter__(self) -> Iterator[bytes]:
        """Read all rows in order."""
        for (row,) in self._database.execute("SELECT row FROM rows ORDER BY number"):
            yield zlib.decompress(row)

    def close(self) -> None:
        """Delete the rows."""
        self._database.close()
