"""The last runs of ingest, as the log tells them, for those who ask often and must not wait."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from retrieval.catalogue.runs import Run

KEPT_SECONDS = 10.0
"""How long what was read is repeated."""

PATIENCE_SECONDS = 0.2
"""How long one who asks waits for a reading that is under way; after that, what was read before must do."""

_log = logging.getLogger(__name__)


class RecentRuns:
    """Reads a log of runs now and then. One event loop owns it."""

    def __init__(
        self, read: Callable[[], Awaitable[Sequence[Run]]], *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Read with `read`, the last run first; whatever it raises is logged, once until it works again."""
        self._read = read
        self._clock = clock
        self._runs: tuple[Run, ...] = ()
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._fails = False

    async def get(self) -> tuple[Run, ...]:
        """Say which runs were the last, as far as is known: at most KEPT_SECONDS old where the log answers.

        The last one first; empty where there was none, or the log could not be read yet. Raises nothing.
        """
        if self._reading is None and self._is_stale():
            self._reading = asyncio.create_task(self._refresh())
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=PATIENCE_SECONDS)
        return self._runs

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    def _is_stale(self) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= KEPT_SECONDS

    async def _refresh(self) -> None:
        try:
            self._runs = tuple(await self._read())
            self._fails = False
        except Exception as e:  # noqa: BLE001 - whatever it is, nobody who asks can do anything about it.
            if not self._fails:
                _log.warning("The log of runs cannot be read: %s", e)
            self._fails = True
        finally:
            self._read_at = self._clock()
            self._reading = None
