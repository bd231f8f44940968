"""What was fetched, kept on disk: captions from run to run, and rows from one reading to the next."""

import hashlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.errors import SourceError

_DAY: Final = 24 * 3600.0
KEPT_SECONDS: Final = (20 * _DAY, 40 * _DAY)
"""When captions are due again: after between these, each at its own time. Were it the same for all, a channel
that was fetched in one run would be fetched again in one, and YouTube blocks addresses that ask so often."""
MISSING_SECONDS: Final = _DAY
"""YouTube makes captions some hours after an upload, so what was missing is asked for again."""
FORGOTTEN_SECONDS: Final = 365 * _DAY
"""What was not fetched again for so long is of a video, or in languages, that no source has any more."""

_IN_A_TEMPORARY_FILE: Final = ""
"""SQLite's name for a database in a file that has none: it is gone with the process, however that ends."""


@contextmanager
def _telling(place: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, zlib.error, OSError) as e:
        raise SourceError(
            f"{place}: cannot keep what was fetched ({e}); free some space, or delete it"
        ) from e


class KeptCaptions:
    """Answers about captions by key: in a file of the folder named, else until it is closed.

    Runs that follow each other share a folder, so a run that was stopped goes on where it was. A kill in
    the middle of writing leaves the file as it was before (SQLite's journal). An answer is due again after
    20 to 40 days, and stays until another takes its place; what is older than a year is deleted on opening.
    """

    def __init__(
        self, folder: Path | None, languages: Sequence[str], *, now: Callable[[], float] = time.time
    ) -> None:
        self._place = str(folder / "captions.sqlite") if folder else "the temporary folder"
        # Other languages may choose other captions.
        self._languages = ",".join(languages)
        self._now = now
        with _telling(self._place):
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._place if folder else _IN_A_TEMPORARY_FILE)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def _prepare(self) -> None:
        with self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS captions (key TEXT, languages TEXT, fetched_at REAL, "
                "is_missing INTEGER, answer BLOB, PRIMARY KEY (key, languages))"
            )
            self._database.execute(
                "DELETE FROM captions WHERE fetched_at < ?", (self._now() - FORGOTTEN_SECONDS,)
            )

    def find(self, key: str, *, even_if_due: bool = False) -> bytes | None:
        """Return the answer that was kept, unless it is due to be fetched again.

        `even_if_due`: return captions all the same, for where they cannot be fetched. That there were none
        is no answer then: there may be some by now.
        """
        with _telling(self._place):
            row = self._database.execute(
                "SELECT fetched_at, is_missing, answer FROM captions WHERE key = ? AND languages = ?",
                (key, self._languages),
            ).fetchone()
            if row is None:
                return None
            fetched_at, is_missing, answer = row
            is_due = self._now() - fetched_at >= (MISSING_SECONDS if is_missing else _kept_seconds(key))
            if is_due and (is_missing or not even_if_due):
                return None
            return zlib.decompress(answer)

    def keep(self, key: str, answer: bytes, *, is_missing: bool) -> None:
        """Keep an answer; it is on disk when this returns."""
        with _telling(self._place), self._database:
            self._database.execute(
                "REPLACE INTO captions VALUES (?, ?, ?, ?, ?)",
                (key, self._languages, self._now(), is_missing, zlib.compress(answer)),
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _kept_seconds(key: str) -> float:
    """Return after how long a key is due, always the same for one key and spread evenly over all."""
    shortest, longest = KEPT_SECONDS
    place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) / 2**32
    return shortest + (longest - shortest) * place


class Spool:
    """Rows in the order they were added, in a file without a name, read as often as one likes."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(_IN_A_TEMPORARY_FILE, isolation_level=None)
        self._database.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, row BLOB)")

    def add(self, row: bytes) -> None:
        """Add a row at the end."""
        with _telling("the temporary folder"):
            self._database.execute("INSERT INTO rows (row) VALUES (?)", (zlib.compress(row),))

    def __iter__(self) -> Iterator[bytes]:
        """Read from the first row to the last."""
        for (row,) in self._database.execute("SELECT row FROM rows ORDER BY number"):
            yield zlib.decompress(row)

    def close(self) -> None:
        """Delete the rows."""
        self._database.close()
