"""The files that the service sends: those below MEDIA_DIR, and the clip of the sample catalogue."""

import asyncio
import errno
import logging
import os
import stat
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from api.media.conditions import FileVersion
from api.wire.errors import MediaBusyError, MediaNotFoundError
from retrieval.catalogue.media_files import is_media_path
from retrieval.declared_setting import SettingsError

SAMPLE_CLIP = "sample.webm"
"""The path of the clip in the sample catalogue. `make_sample_clip.sh` makes the file."""

MOST_STREAMS = 64
"""How many files are sent at once. Each has a chunk in memory, and a file descriptor."""

_THREADS = 8
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_SAMPLE_FOLDER = Path(__file__).parent

_NO_SUCH_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})
"""The errors of paths that lead to no file that is served, such as a link in a circle."""

_logger = logging.getLogger(__name__)


class OpenFile:
    """A regular file that is open for reading."""

    def __init__(self, descriptor: int, threads: ThreadPoolExecutor) -> None:
        found = os.fstat(descriptor)
        self.version = FileVersion(found.st_size, found.st_mtime_ns)
        self._descriptor = descriptor
        self._threads = threads
        self._reading: Future[bytes] | None = None

    async def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start`; none at the end of the file. Raises OSError."""
        self._reading = self._threads.submit(os.pread, self._descriptor, size, start)
        return await asyncio.wrap_future(self._reading)

    def close(self) -> None:
        """Close the file once no thread reads it: the next file may get the same descriptor."""
        if self._reading is None:
            os.close(self._descriptor)
        else:
            self._reading.add_done_callback(lambda _: os.close(self._descriptor))


class MediaFiles:
    """Opens files. All calls that may wait for the disk run in threads of their own."""

    def __init__(self, folder: Path | None) -> None:
        """Serve the files below `folder`, none if it is None."""
        self.folder = folder
        self._streams = 0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="media")

    @asynccontextmanager
    async def available(self) -> AsyncIterator[None]:
        """Check the folder, and keep the threads until the block ends. Raises SettingsError."""
        if self.folder is not None:
            await asyncio.to_thread(_check, self.folder)
        try:
            yield
        finally:
            # Without waiting: a thread may wait for a disk that does not respond.
            self._threads.shutdown(wait=False, cancel_futures=True)

    @asynccontextmanager
    async def opened(self, path: str, *, is_sample: bool) -> AsyncIterator[OpenFile]:
        """Open the file of a path until the block ends. `is_sample`: the index is the sample catalogue.

        Raises MediaNotFoundError, for every path that leads outside the folder as well, and MediaBusyError.
        """
        folder = _SAMPLE_FOLDER if is_sample and path == SAMPLE_CLIP else self.folder
        if folder is None or not is_media_path(path):
            raise MediaNotFoundError
        with self._stream():
            file = await self._open_in_thread(folder, path)
            try:
                yield file
            finally:
                file.close()

    async def _open_in_thread(self, folder: Path, path: str) -> OpenFile:
        """Open a file. If this task is cancelled meanwhile, the file is closed as soon as it is open."""
        opening = self._threads.submit(self._open, folder, path)
        try:
            return await asyncio.shield(asyncio.wrap_future(opening))
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    def _open(self, folder: Path, path: str) -> OpenFile:
        try:
            return OpenFile(_open_below(folder, path), self._threads)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_SUCH_FILE:
                # A client cannot change it, but the operator can.
                _logger.warning("A media file cannot be opened: %s", os.strerror(error.errno or 0))
            raise MediaNotFoundError from error

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if self._streams >= MOST_STREAMS:
            raise MediaBusyError
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1


def _close_opened(opening: Future[OpenFile]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _check(folder: Path) -> None:
    if not folder.is_dir():
        problem = "there is no such folder"
    elif not os.access(folder, os.R_OK | os.X_OK):
        problem = "this user may not read it"
    else:
        return
    raise SettingsError(
        f"MEDIA_DIR is {str(folder)!r}, but {problem}. Set it to the folder of your audio and video files, "
        "or unset it."
    )


def _open_below(folder: Path, path: str) -> int:
    """Open a regular file below a folder. Raises OSError or ValueError.

    Links are resolved first, and must lead to a place below the folder. Then the file is opened name by name,
    and no name may be a link any more, so that a link created meanwhile is not followed.
    """
    root = os.path.realpath(folder)
    names = Path(os.path.realpath(Path(root, path), strict=True)).relative_to(root).parts
    # Another name may lead here, so the type is that of the file itself.
    if not names or not is_media_path("/".join(names)):
        raise ValueError(path)
    at = os.open(root, _FLAGS | os.O_DIRECTORY)
    *above, last = names
    for name in above:
        at = _open_in(at, name, os.O_DIRECTORY)
    # A named pipe without a writer would block the thread.
    at = _open_in(at, last, os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(at).st_mode):
        os.close(at)
        raise ValueError(path)
    return at


def _open_in(folder: int, name: str, flag: int) -> int:
    """Open a name in an open folder, and close the folder."""
    try:
        return os.open(name, _FLAGS | flag, dir_fd=folder)
    finally:
        os.close(folder)
