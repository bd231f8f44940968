"""Writes files so that a crash at any moment leaves the old content or the new, never a mixture."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import RunInProgressError

_BLOCK = 1 << 20


def replace_file(
    path: Path, content: bytes, *, mode: int | None = None, owner: tuple[int, int] | None = None
) -> None:
    """Replace a file's content atomically and durably: write a temporary file, sync, rename, sync the folder.

    `mode` is the mode of the new file; by default the process's umask decides. `owner` is its user id and
    group id; -1 leaves either unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            # Before the content is written, so that no other user can read it.
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def discard_replacements(path: Path) -> None:
    """Delete the temporary files of interrupted replacements of this file. None may be in progress."""
    for temporary in path.parent.glob(f".{path.name}.*"):
        temporary.unlink(missing_ok=True)


def copy_sparse(source: str, target: str) -> str:
    """Copy a sparse file without writing its holes, and return the target.

    The engine's files are mostly holes: it allocates tens of megabytes and fills a few. An ordinary copy
    would write every hole as zeros.
    """
    with Path(source).open("rb") as old, Path(target).open("wb") as new:
        end = os.fstat(old.fileno()).st_size
        for start, stop in written_parts(old.fileno(), end):
            old.seek(start)
            new.seek(start)
            while block := old.read(min(_BLOCK, stop - old.tell())):
                new.write(block)
        new.truncate(end)
    return target


def written_parts(descriptor: int, end: int) -> Iterator[tuple[int, int]]:
    """Find the parts of a file that contain data: pairs of offsets, the second exclusive."""
    at = 0
    while at < end:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:  # The rest of the file is a hole.
                return
            raise
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, at


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a rename is on disk only after this call."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file and folder below `folder` durable."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with (Path(parent) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(parent))


LOCK_FILE = "lock"


@contextmanager
def file_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of an index or a model; the folder is created if needed.

    Raises RunInProgressError if another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise RunInProgressError(
                f"Another ingest run is working on {folder}. Wait for it to end, or stop it. Nothing was "
                "changed."
            ) from e
        yield
