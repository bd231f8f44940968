"""The live index: one version at a time, swapped under the requests that use it.

A request leases the version that is live when it starts and keeps it to its end, so no answer mixes two. A
new version is opened beside the old one, takes its place, and the old one closes when its last lease ends.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from retrieval.errors import IncompatibleIndexError, IndexUnavailableError, VidsearchError
from retrieval.index.reading import VideoIndex

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often the pointer is looked at: well inside the 2 s in which a switch must be noticed."""


class _Version:
    """One open index and how many requests use it."""

    def __init__(self, index: VideoIndex, closings: set[asyncio.Task[None]]) -> None:
        # Of the index itself, and not of the pointer that led to it: that may have moved on since.
        self.name = index.manifest.index_version
        self.index = index
        self.leases = 0
        self.retired = False
        self._closings = closings

    def close_if_unused(self) -> None:
        if self.retired and not self.leases:
            # Beside the requests: the one that happened to be its last reads it no more than any other.
            task = asyncio.create_task(self._close())
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)

    async def _close(self) -> None:
        try:
            await self.index.close()
        except VidsearchError:
            _log.warning("The index version %s did not close cleanly", self.name, exc_info=True)


class Lease:
    """Keeps one version open for the length of an `async with`."""

    def __init__(self, version: _Version) -> None:
        """Hold this version from `async with` on."""
        self._version = version

    async def __aenter__(self) -> VideoIndex:
        """Take the index."""
        self._version.leases += 1
        return self._version.index

    async def __aexit__(self, *_: object) -> None:
        """Give it back; the last one out closes a version that is no longer live."""
        self._version.leases -= 1
        self._version.close_if_unused()


class LiveIndex:
    """An IndexSource that follows a pointer. One event loop owns it."""

    def __init__(
        self,
        *,
        current: Callable[[], Awaitable[str | None]],
        open_version: Callable[[str], Awaitable[VideoIndex]],
        missing: str,
        may_be_away: bool = False,
    ) -> None:
        """Follow `current`, which names the live version or None, and open versions with `open_version`.

        `missing` is what to tell callers while there is none. `may_be_away`: whoever knows the live version
        may not answer yet, which is no reason not to start.
        """
        self._current = current
        self._open_version = open_version
        self._version: _Version | None = None
        self._missing = missing
        self._problem = missing
        self._may_be_away = may_be_away
        self._follower: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the live version if there is one, and follow the pointer from now on.

        Raises VidsearchError where there is one that cannot be served.
        """
        try:
            await self._follow()
        except IncompatibleIndexError:
            raise
        except IndexUnavailableError as e:
            if not self._may_be_away:
                raise
            self._problem = str(e)
            _log.warning("Started without an index: %s", e)
        self._follower = asyncio.create_task(self._keep_following())

    async def close(self) -> None:
        """Stop following and close what is open."""
        if self._follower:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
        self._replace(None)
        await asyncio.gather(*self._closings)

    def lease(self) -> Lease:
        """Hold the live index for the length of one request. Raises IndexUnavailableError where none is."""
        if self._version is None:
            raise IndexUnavailableError(self._problem)
        return Lease(self._version)

    async def _keep_following(self) -> None:
        failed: str | None = None
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._follow()
                if failed:
                    _log.info("The live version can be seen again")
                failed = None
            except Exception as e:  # noqa: BLE001 - whatever it is, it must not end the following.
                # The version in use goes on serving, whatever is wrong with the new one; the same failure is
                # reported once.
                if self._version is None:
                    self._problem = str(e)
                if str(e) != failed:
                    failed = str(e)
                    expected = isinstance(e, VidsearchError)
                    _log.error("The live version cannot be taken into use: %s", e, exc_info=not expected)

    async def _follow(self) -> None:
        name = await self._current()
        if name is None:
            self._problem = self._missing  # Whatever kept it from being seen before.
            return
        if self._version and self._version.name == name:
            return
        index = await self._open_version(name)
        self._replace(_Version(index, self._closings))
        _log.info("Serving index version %s", index.manifest.index_version)

    def _replace(self, version: _Version | None) -> None:
        old, self._version = self._version, version
        if old:
            old.retired = True
            old.close_if_unused()
