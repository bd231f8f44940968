"""Temporary folders for indexes, and full disks."""

import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only where it is there and roomy, and in a folder of its own.
_ROOM = 8 << 30


@contextmanager
def passing_folder() -> Iterator[Path]:
    """Create a temporary folder, in memory if there is room, because a build syncs every file to disk."""
    roomy = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM
    with tempfile.TemporaryDirectory(prefix="vidsearch-", dir=_IN_MEMORY if roomy else None) as folder:
        yield Path(folder)


@contextmanager
def full_disk(free: int = 0) -> Iterator[None]:
    """Let no file of this process grow beyond this number of bytes inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
