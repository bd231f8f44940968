"""Embeds queries on worker threads, and batches the queries that wait.

While every worker is busy, queries wait in a queue. A free worker takes a batch of them in one packed call.
Without load, a query never waits. Under load, a batch costs less per query.
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

_NICE = 3
"""The nice value of the encoder threads: the event loop gets about twice the weight of one of them."""

_Waiting = tuple[str, asyncio.Future[Embedding]]


class QueryBatcher:
    """A QueryEncoder with a fixed number of threads and a bounded queue. One event loop owns it."""

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Embeddings],
        *,
        threads: int,
        batch: int = 8,
        waiting: int = 256,
    ) -> None:
        """Call `encode` on `threads` threads with up to `batch` queries. Up to `waiting` queries may wait."""
        self._encode = encode
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode", initializer=_lower_priority)
        self._threads = self._idle = threads
        self._batch = batch
        self._limit = waiting
        self._queue: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def encode_query(self, text: str) -> Embedding:
        """Embed one query. Raises OverloadedError if the queue is full."""
        if len(self._queue) >= self._limit:
            raise OverloadedError("Too many searches are waiting. Try again in a moment.")
        result: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        self._queue.append((text, result))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await result

    async def close(self) -> None:
        """Finish the queued queries and stop the threads."""
        await asyncio.gather(*self._running, return_exceptions=True)
        self._pool.shutdown()

    async def _work(self) -> None:
        """Embed batches until the queue is empty."""
        try:
            while self._queue:
                share = -(-len(self._queue) // self._threads)
                taken = [self._queue.popleft() for _ in range(min(self._batch, share))]
                # A cancelled caller has cancelled its future, so its query need not be embedded.
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
        except Exception as e:  # noqa: BLE001 - every error goes to the callers.
            for _, result in wanted:
                if not result.done():
                    result.set_exception(e)
            return
        for (_, result), row in answered:
            if not result.done():
                result.set_result(row)


def _lower_priority() -> None:
    """Give the event loop precedence on a busy machine.

    Every request waits for the event loop, including health checks and requests that are refused.
    """
    with suppress(AttributeError, OSError):  # Not every system supports thread priorities.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
