"""Readiness: whether the service can answer searches, tested by a canary search."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from api.wire.errors import StoppingError, TaskEndedError
from retrieval.errors import IndexUnavailableError, OverloadedError, VidsearchError
from retrieval.search.searcher import Searcher

CHECK_SECONDS = 0.5
"""The time limit of a canary search."""

INTERVAL_SECONDS = 1.0
"""The pause between two canary searches while clients poll."""

STALE_SECONDS = 2.0
"""A result older than this is stale: the periodic check is late, or has paused because no client polled."""

POLLED_SECONDS = 15.0
"""How long after a poll the next poll is expected."""

_logger = logging.getLogger(__name__)


class Readiness:
    """Runs a canary search once a second while clients poll, and keeps its result.

    A poll gets the latest result without waiting, so a busy service still reports its state. Only the first
    poll after a pause waits for a canary search. `keep_current` must run as a background task.
    """

    def __init__(
        self,
        searcher: Searcher,
        draining: asyncio.Event,
        *,
        clock: Callable[[], float] = monotonic,
        check_seconds: float = CHECK_SECONDS,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        """Check `searcher`, and report not ready once `draining` is set."""
        self._searcher = searcher
        self._draining = draining
        self._clock = clock
        self._check_seconds = check_seconds
        self._interval_seconds = interval_seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._one_check = asyncio.Lock()
        self._polled = asyncio.Event()
        self._polled_at = clock()
        self._fault: VidsearchError | None = None
        self._checked_at: float | None = None
        self.seconds: float | None = None
        """The duration of the last canary search, or None if it failed."""

    @property
    def last_result(self) -> bool | None:
        """Whether the last canary search succeeded; None before the first one."""
        return None if self._checked_at is None else self._fault is None

    @property
    def is_stopping(self) -> bool:
        """Whether the service has received a signal to stop."""
        return self._draining.is_set()

    def require(self, task: asyncio.Task[None]) -> None:
        """Report not ready once this background task has ended."""
        self._tasks.append(task)

    def poll(self) -> None:
        """Note that a client polls, so that the periodic check runs. Does not wait."""
        self._polled_at = self._clock()
        self._polled.set()

    async def check(self) -> None:
        """Return if a canary search succeeded within CHECK_SECONDS, about a second ago at most.

        Raises StoppingError, TaskEndedError, IndexUnavailableError or OverloadedError.
        """
        if self.is_stopping:
            raise StoppingError
        for task in self._tasks:
            if task.done():
                raise TaskEndedError(task.get_name())
        if not self._searcher.is_followed:
            raise TaskEndedError("live index follower")
        self.poll()
        await self._refresh(STALE_SECONDS)
        if self._fault is not None:
            # Without the traceback of an earlier request, which raising the same error again would extend.
            raise self._fault.with_traceback(None)

    async def keep_current(self) -> None:
        """Repeat the canary search while clients poll. Runs until it is cancelled."""
        while True:
            await self._polled.wait()
            while self._clock() - self._polled_at < POLLED_SECONDS:
                # Half of the pause, so that a timer that fires early does not skip a turn.
                await self._refresh(self._interval_seconds / 2)
                await asyncio.sleep(self._interval_seconds)
            self._polled.clear()

    async def _refresh(self, seconds: float) -> None:
        """Run a canary search unless the last result is younger than `seconds`."""
        if not self._is_younger_than(seconds):
            async with self._one_check:
                # A caller that waited for the lock uses the result of the caller before it.
                if not self._is_younger_than(seconds):
                    await self._check_now()

    def _is_younger_than(self, seconds: float) -> bool:
        return self._checked_at is not None and self._clock() - self._checked_at < seconds

    async def _check_now(self) -> None:
        before = self._fault
        started = self._clock()
        try:
            async with asyncio.timeout(self._check_seconds):
                await self._searcher.check()
            # An embedded engine searches in this thread, where a timeout cannot interrupt it.
            if self._clock() - started > self._check_seconds:
                raise TimeoutError  # noqa: TRY301
            self._fault = None
        except TimeoutError:
            self._fault = IndexUnavailableError(f"The canary search took over {self._check_seconds} s.")
        except (IndexUnavailableError, OverloadedError) as error:
            self._fault = error
        except Exception as error:  # noqa: BLE001 - after any error, searching fails.
            self._fault = IndexUnavailableError("The canary search failed.")
            self._fault.__cause__ = error
        self._checked_at = self._clock()
        self.seconds = None if self._fault else self._checked_at - started
        if self._fault is None and before is not None:
            _logger.warning("Ready again.")
        elif self._fault is not None and before is None:
            _logger.warning("Not ready: %s", self._fault, exc_info=self._fault.__cause__)
