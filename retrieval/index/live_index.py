"""The live index: one version at a time, replaced while requests use it.

A request leases the version that is live when it starts and keeps it to its end, so no response mixes two
versions. A new version is opened next to the old one and takes its place; the old one closes when its last
lease ends.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from typing_extensions import override

from retrieval.background import background_task
from retrieval.errors import IncompatibleIndexError, IndexUnavailableError, VidsearchError
from retrieval.index.reading import VideoIndex

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often the pointer is read: often enough to notice a switch within 2 s."""


class IndexSource(Protocol):
    """Where the API gets the live index."""

    @property
    def is_followed(self) -> bool:
        """Whether new versions will be noticed; False means that the service must be restarted."""

    def lease(self) -> AbstractAsyncContextManager[VideoIndex]:
        """Keep the live index open for the length of one request, through any switch.

        Raises IndexUnavailableError if there is none.
        """


class _Version:
    """One open index and the number of requests that use it."""

    def __init__(self, index: VideoIndex, closings: set[asyncio.Task[None]]) -> None:
        # The id in the manifest, not in the pointer that led to the index: the pointer may have moved since.
        self.name = index.manifest.index_version
        self.index = index
        self.leases = 0
        self.retired = False
        self._closings = closings

    def close_if_unused(self) -> None:
        if self.retired and not self.leases:
            # In a task, so that the request with the last lease does not wait for it.
            task = asyncio.create_task(self._close())
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)

    async def _close(self) -> None:
        try:
            await self.index.close()
        except VidsearchError:
            _log.warning("The index version %s did not close cleanly", self.name, exc_info=True)


class LiveIndex(IndexSource):
    """An IndexSource that follows a pointer. One event loop owns it."""

    def __init__(
        self,
        *,
        current: Callable[[], Awaitable[str | None]],
        open_version: Callable[[str], Awaitable[VideoIndex]],
        missing: str,
        may_be_away: bool = False,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Follow `current`, which returns the id of the live version or None.

        Versions are opened with `open_version`.
        `missing` is the error message while there is no version. With `may_be_away`, the service also starts
        if `current` fails. `poll_seconds` is the time between two reads of the pointer.
        """
        self._current = current
        self._open_version = open_version
        self._version: _Version | None = None
        self._missing = missing
        self._problem = missing
        self._may_be_away = may_be_away
        self._poll_seconds = poll_seconds
        self._following = AsyncExitStack()
        self._follower: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the live version if there is one, and follow the pointer from now on.

        Raises VidsearchError if there is a version that cannot be served.
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
        self._follower = await self._following.enter_async_context(
            background_task(self._keep_following(), "live index follower")
        )

    async def close(self) -> None:
        """Stop following, and close the index once its last lease has ended."""
        await self._following.aclose()
        self._replace(None)
        await asyncio.gather(*self._closings)

    @property
    @override
    def is_followed(self) -> bool:
        return self._follower is not None and not self._follower.done()

    @override
    @asynccontextmanager
    async def lease(self) -> AsyncIterator[VideoIndex]:
        version = self._version
        if version is None:
            raise IndexUnavailableError(self._problem)
        version.leases += 1
        try:
            yield version.index
        finally:
            version.leases -= 1
            version.close_if_unused()

    async def _keep_following(self) -> None:
        failed: str | None = None
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._follow()
                if failed:
                    _log.info("The live version can be read again")
                failed = None
            except Exception as e:  # noqa: BLE001 - no error may end the following.
                # The version in use continues to serve, whatever is wrong with the new one. The same failure
                # is logged once.
                if self._version is None:
                    self._problem = str(e)
                if str(e) != failed:
                    failed = str(e)
                    expected = isinstance(e, VidsearchError)
                    _log.error("The live version cannot be served: %s", e, exc_info=not expected)

    async def _follow(self) -> None:
        name = await self._current()
        if name is None:
            self._problem = self._missing  # Replaces the message of an earlier failure.
            return
        if self._version and self._version.name == name:
            return
        index = await self._open_version(name)
        # At the start, this is no event.
        level = logging.INFO if self._follower else logging.DEBUG
        self._replace(_Version(index, self._closings))
        _log.log(level, "Serving index version %s", index.manifest.index_version)

    def _replace(self, version: _Version | None) -> None:
        old, self._version = self._version, version
        if old:
            old.retired = True
            old.close_if_unused()
