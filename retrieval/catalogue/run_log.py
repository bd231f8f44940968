"""A cache of the log of ingest runs, for dashboards that poll."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from retrieval.catalogue.runs import Run

_log = logging.getLogger(__name__)


class RunLog:
    """Reads the log of runs in the background and caches it. One event loop owns it."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[Run]]],
        *,
        max_age: float = 10.0,
        timeout: float = 0.2,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Cache the result of `read`, newest run first, for `max_age` seconds.

        If a read takes longer than `timeout` seconds, the previous result is returned meanwhile. An error of
        `read` is logged once until a read succeeds again.
        """
        self._read = read
        self._max_age = max_age
        self._timeout = timeout
        self._clock = clock
        self._runs: tuple[Run, ...] = ()
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._fails = False

    async def recent(self) -> tuple[Run, ...]:
        """Return the recent runs, newest first; empty if there are none or none could be read yet.

        Never raises.
        """
        if self._reading is None and self._is_stale():
            self._reading = asyncio.create_task(self._refresh())
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=self._timeout)
        return self._runs

    async def close(self) -> None:
        """Cancel a read in progress."""
        if self._reading is not None:
            self._reading.cancel()
            # `await self._reading` would raise the read's CancelledError, not the caller's.
            await asyncio.wait([self._reading])

    def _is_stale(self) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= self._max_age

    async def _refresh(self) -> None:
        try:
            self._runs = tuple(await self._read())
            self._fails = False
        except Exception as e:  # noqa: BLE001 - no caller can handle any of them.
            if not self._fails:
                _log.warning("The log of runs cannot be read: %s", e)
            self._fails = True
        finally:
            self._read_at = self._clock()
            self._reading = None
