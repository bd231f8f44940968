"""The API keys in force while the service runs. Adding or revoking a key takes effect within a second."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.access.key_file import read_keys
from api.access.keys import Keyring, StoredKey
from api.access.settings import AccessSettings
from retrieval.background import background_task
from retrieval.declared_setting import SettingsError

POLL_SECONDS = 0.5

_logger = logging.getLogger(__name__)
_Stamp = tuple[int, int, int] | None
_KeysInFile = tuple[StoredKey, ...] | None


class LiveKeys:
    """The keys of the environment and of the key file, and whether requests need one.

    Requests need a key as soon as there is one, and from then on: if the last key is revoked or the file is
    deleted, every request is refused. The service runs without keys only if it starts without any, and if
    `exposed` is empty. Otherwise `exposed` names the settings that let other machines in ("HOST=0.0.0.0").
    """

    def __init__(
        self, settings: AccessSettings, *, exposed: tuple[str, ...] = (), poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._settings = settings
        self._exposed = exposed
        self._poll_seconds = poll_seconds
        self._stamp: _Stamp = None
        self.ring = Keyring()
        self.required = True

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[asyncio.Task[None]]:
        """Read the keys, then follow the file in a task until the block ends. Raises SettingsError."""
        self.required = False
        self._apply(*_read(self._settings.keys_file))
        if not self.required and self._exposed:
            raise SettingsError(
                f"There is no key, and other machines can connect ({', '.join(self._exposed)}), so "
                "anyone could search. Add a key: python -m api keys add NAME --scope search; "
                "or pass --open to serve without keys: python -m api --open"
            )
        async with background_task(self._follow(), "API keys") as task:
            yield task

    async def _follow(self) -> None:
        file = self._settings.keys_file
        logged = ""
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                # In a thread, because the disk of the file may hang.
                if await asyncio.to_thread(_stamp_of, file) != self._stamp:
                    self._apply(*await asyncio.to_thread(_read, file))
                    logged = ""
                    _logger.info("The API keys have changed: %d in force", len(self.ring))
            except Exception as error:
                # A damaged file must not lock every client out. It is read until that succeeds, because its
                # change may be a revocation.
                if str(error) != logged:
                    is_expected = isinstance(error, SettingsError)
                    _logger.log(
                        logging.ERROR,
                        "The previous API keys stay in force. %s",
                        error,
                        exc_info=None if is_expected else error,
                    )
                logged = str(error)

    def _apply(self, stamp: _Stamp, in_file: _KeysInFile) -> None:
        self.ring = Keyring([*self._settings.keys, *(in_file or ())])
        self.required = self.required or in_file is not None or len(self.ring) > 0
        self._stamp = stamp


def _read(path: Path | None) -> tuple[_Stamp, _KeysInFile]:
    # The stamp first: if the file changes between the two calls, it is read again.
    return _stamp_of(path), None if path is None else read_keys(path)


def _stamp_of(path: Path | None) -> _Stamp:
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    # A replaced file has another inode, even if the modification time is the same.
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
