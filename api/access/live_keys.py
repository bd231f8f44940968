"""The keys in force, followed while the service runs: one that is added or revoked counts within a second."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from api.access.key_file import read_keys
from api.access.keys import Keyring, StoredKey
from api.access.settings import AccessSettings
from retrieval.settings import SettingsError

POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)
_Seen = tuple[int, int, int] | None
_InFile = tuple[StoredKey, ...] | None


class LiveKeys:
    """The keys of the environment and of the file, and whether requests need one.

    They need one as soon as there is any, and from then on: a file whose last key was revoked, or that is
    gone, lets nobody in. Only a start without keys is a start without asking for them, and only where
    `may_be_off` says that this is safe or meant.
    """

    def __init__(self, settings: AccessSettings, *, may_be_off: bool) -> None:
        self._settings = settings
        self._may_be_off = may_be_off
        self._seen: _Seen = None
        self.ring = Keyring()
        self.asked_for = True

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Read the keys, and follow the file to the end of the block. Raises SettingsError."""
        self.asked_for = False
        self._take_up(*_read(self._settings.keys_file))
        if not self.asked_for and not self._may_be_off:
            raise SettingsError(
                "HOST or METRICS_HOST is not a loopback address and there is no key, so anybody could ask. "
                "Make a key: "
                "python -m api keys add NAME --scope search; or mean it: python -m api --open"
            )
        follower = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await follower

    async def _follow(self) -> None:
        file = self._settings.keys_file
        told = ""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                # On a thread: the file may be on a disk that does not answer.
                if await asyncio.to_thread(_look, file) != self._seen:
                    self._take_up(*await asyncio.to_thread(_read, file))
                    told = ""
                    _log.info("The keys have changed: %d in force", len(self.ring))
            except (SettingsError, RuntimeError) as error:
                # Whoever damaged the file did not mean to shut everybody out. It is read until that works, as
                # what it holds may be a revocation. RuntimeError: there is no thread to be had.
                if str(error) != told:
                    _log.error("The keys from before stay in force. %s", error)
                told = str(error)

    def _take_up(self, seen: _Seen, in_file: _InFile) -> None:
        self.ring = Keyring([*self._settings.keys, *(in_file or ())])
        self.asked_for = self.asked_for or in_file is not None or len(self.ring) > 0
        self._seen = seen


def _read(path: Path | None) -> tuple[_Seen, _InFile]:
    # Looked at first: what changes between the two is read once more.
    return _look(path), None if path is None else read_keys(path)


def _look(path: Path | None) -> _Seen:
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    # A file that was replaced has another inode, even within one tick of the clock.
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
