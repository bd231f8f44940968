"""Folders for indexes that a test builds and throws away."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only where it is there and roomy, and in a folder of its own.
_ROOM = 8 << 30


@contextmanager
def passing_folder() -> Iterator[Path]:
    """Make a folder that is gone afterwards: in memory where there is room, as a build syncs every file."""
    roomy = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM
    with tempfile.TemporaryDirectory(prefix="vidsearch-", dir=_IN_MEMORY if roomy else None) as folder:
        yield Path(folder)
