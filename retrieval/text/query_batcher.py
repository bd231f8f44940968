"""Queries that arrive together are embedded together, off the event loop.

While every worker is busy, queries wait in line; a worker that is free takes all that wait, up to a few, in
one packed call. Under no load a query never waits; under load each call costs less per query.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from retrieval.errors import OverloadedError
from retrieval.text.vectors import Embedding, Embeddings

_BEHIND = 3
"""How nice the encoding threads are: the event loop weighs about twice as much as one of them."""

_Waiting = tuple[str, asyncio.Future[Embedding]]


class QueryBatcher:
    """A QueryEncoder over a bounded number of threads and a bounded line. One event loop owns it."""

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Embeddings],
        *,
        threads: int,
        batch: int = 8,
        waiting: int = 256,
    ) -> None:
        """Embed with `encode`, at most `batch` queries a call, on `threads` threads; `waiting` may wait."""
        self._encode = encode
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode", initializer=_step_back)
        self._threads = self._idle = threads
        self._batch = batch
        self._limit = waiting
        self._line: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def encode_query(self, text: str) -> Embedding:
        """Embed one query. Raises OverloadedError where the line is full."""
        if len(self._line) >= self._limit:
            raise OverloadedError("Too many searches are waiting. Try again in a moment.")
        result: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        self._line.append((text, result))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await result

    async def close(self) -> None:
        """Finish what is under way and stop the threads."""
        await asyncio.gather(*self._running, return_exceptions=True)
        self._pool.shutdown()

    async def _work(self) -> None:
        """Empty the line, batch by batch."""
        try:
            while self._line:
                share = -(-len(self._line) // self._threads)
                taken = [self._line.popleft() for _ in range(min(self._batch, share))]
                # A caller that went away has cancelled its future; its query need not be embedded.
                wanted = [(text, result) for text, result in taken if not result.done()]
                if wanted:
                    await self._embed(wanted)
        finally:
            self._idle += 1

    async def _embed(self, wanted: list[_Waiting]) -> None:
        texts = [text for text, _ in wanted]
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._pool, self._encode, texts)
            answered = list(zip(wanted, rows, strict=True))
        except Exception as e:  # noqa: BLE001 - whatever went wrong belongs to the callers.
            for _, result in wanted:
                if not result.done():
                    result.set_exception(e)
            return
        for (_, result), row in answered:
            if not result.done():
                result.set_result(row)


def _step_back() -> None:
    """Let the event loop go first where there are not processors enough for all.

    It is the one thread on which whoever asks waits: to be let in, refused, or told how the service is.
    """
    with suppress(AttributeError, OSError):  # Not every system has priorities for threads.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BEHIND)
