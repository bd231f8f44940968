"""Whether searches are answered: found out by a search, and told to whoever polls."""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable
from time import monotonic

from api.wire.errors import StoppingError
from retrieval.errors import IndexUnavailableError, OverloadedError, VidsearchError
from retrieval.search.searcher import Searcher


class Draining:
    """Whether the service was told to stop."""

    def __init__(self) -> None:
        """It was not yet."""
        self.has_begun = False

    def begin(self) -> None:
        """Say that it was."""
        self.has_begun = True


CHECK_SECONDS = 0.5
KEPT_SECONDS = 1.0
FORGOTTEN_SECONDS = 2.0
"""After so long what was found is not told any more: nobody has kept asking."""

WATCHED_SECONDS = 15.0
"""For so long after somebody polled the next one is expected."""

_logger = logging.getLogger(__name__)


class Readiness:
    """Whether searches are answered, found out once a second for as long as anybody asks.

    Whoever polls is told what was found last and waits for nobody: a service with much to do still says how
    it is. Only the first to ask in a while waits, for the time of one search.
    """

    def __init__(
        self, searcher: Searcher, draining: Draining, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Ask `searcher`, and say no once `draining` has begun."""
        self._searcher = searcher
        self._draining = draining
        self._clock = clock
        self._turn = asyncio.Lock()
        self._fault: VidsearchError | None = None
        self._asked_at: float | None = None
        self._polled_at = clock()
        self._keeper: asyncio.Task[None] | None = None
        self.seconds: float | None = None
        """How long the canary search took that ended last, if it was answered."""

    @property
    def last_found(self) -> bool | None:
        """Whether searches were answered when that was last looked for; None before it was."""
        return None if self._asked_at is None else self._fault is None

    @property
    def is_stopping(self) -> bool:
        """Whether the service was told to stop."""
        return self._draining.has_begun

    async def check(self) -> None:
        """Raise unless a canary search was answered within 500 ms, about a second ago at most.

        Raises StoppingError, IndexUnavailableError or OverloadedError.
        """
        if self.is_stopping:
            raise StoppingError
        self._polled_at = self._clock()
        if not self._is_known(FORGOTTEN_SECONDS):
            async with self._turn:
                # Those who waited for their turn find the answer of the one before them.
                if not self._is_known(FORGOTTEN_SECONDS):
                    await self._ask()
        if self._keeper is None or self._keeper.done():
            # In no request's context: what it logs is about all of them, and not about the first to ask.
            self._keeper = asyncio.create_task(self._keep_asking(), context=contextvars.Context())
        if self._fault is not None:
            # Without the traceback of an earlier request, which raising the same error again would add to.
            raise self._fault.with_traceback(None)

    async def close(self) -> None:
        """Ask no more."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    def _is_known(self, seconds: float) -> bool:
        return self._asked_at is not None and self._clock() - self._asked_at < seconds

    async def _keep_asking(self) -> None:
        while self._clock() - self._polled_at < WATCHED_SECONDS:
            await asyncio.sleep(KEPT_SECONDS)
            async with self._turn:
                await self._ask()

    async def _ask(self) -> None:
        before = self._fault
        began = self._clock()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._searcher.check()
            # An embedded engine answers on this very thread, where no timeout can interrupt it.
            if self._clock() - began > CHECK_SECONDS:
                raise TimeoutError  # noqa: TRY301
            self._fault = None
        except TimeoutError:
            self._fault = IndexUnavailableError(f"No answer to a canary query within {CHECK_SECONDS} s.")
        except (IndexUnavailableError, OverloadedError) as error:
            self._fault = error
        except Exception as error:  # noqa: BLE001 - whatever it is, searches are not answered.
            self._fault = IndexUnavailableError("The canary search failed.")
            self._fault.__cause__ = error
        self._asked_at = self._clock()
        self.seconds = None if self._fault else self._asked_at - began
        if self._fault is None and before is not None:
            _logger.warning("Ready again.")
        elif self._fault is not None and before is None:
            _logger.warning("Not ready: %s", self._fault, exc_info=self._fault.__cause__)
