"""One run at a time on one machine: a lock that the operating system lets go of however the run ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import RunInProgressError

LOCK_FILE = "lock"


@contextmanager
def file_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of an index's or a model's folder.

    Raises RunInProgressError where another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise RunInProgressError(
                f"Another ingest run is at work on {folder}. Wait for it to end, or stop it; nothing was "
                "changed."
            ) from e
        yield
