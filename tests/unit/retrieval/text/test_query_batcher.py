import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from retrieval.errors import OverloadedError
from retrieval.text.query_batcher import QueryBatcher
from retrieval.text.vectors import Embeddings
from tests.support.waiting import a_while, until

pytestmark = pytest.mark.anyio


class GatedEncoder:
    """Encodes the text of a number as that number after the gate is opened. Records its batches."""

    def __init__(self, *, gate_open: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.errors: dict[str, Exception] = {}
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        if gate_open:
            self.gate.set()

    def __call__(self, texts: Sequence[str]) -> Embeddings:
        with self._lock:
            self.batches.append(list(texts))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.gate.wait(30)
        with self._lock:
            self.at_once -= 1
        for text in texts:
            if text in self.errors:
                raise self.errors[text]
        return np.asarray([[float(text)] for text in texts], np.float32)


@asynccontextmanager
async def batching(
    encode: GatedEncoder, *, threads: int = 1, batch: int = 8, waiting: int = 256
) -> AsyncIterator[QueryBatcher]:
    batcher = QueryBatcher(encode, threads=threads, batch=batch, waiting=waiting)
    try:
        yield batcher
    finally:
        encode.gate.set()
        await batcher.close()


async def ask(batcher: QueryBatcher, text: str) -> float:
    async with asyncio.timeout(30):  # Not a limit on speed: without it, a lost caller would hang.
        return float((await batcher.encode_query(text))[0])


async def occupy(encode: GatedEncoder, batcher: QueryBatcher) -> asyncio.Task[float]:
    """Keep the only worker busy with the query "0"."""
    busy = asyncio.create_task(ask(batcher, "0"))
    await until(lambda: encode.batches)
    return busy


async def test_without_load_every_query_is_embedded_alone() -> None:
    encode = GatedEncoder(gate_open=True)
    async with batching(encode) as batcher:
        for n in range(5):
            assert await ask(batcher, str(n)) == n
    assert encode.batches == [[str(n)] for n in range(5)]


async def test_waiting_queries_are_embedded_in_batches_in_their_order() -> None:
    encode = GatedEncoder()
    async with batching(encode, batch=8) as batcher:
        busy = await occupy(encode, batcher)
        waiting = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 21)]
        await a_while()
        assert encode.batches == [["0"]]
        encode.gate.set()
        assert await asyncio.gather(busy, *waiting) == list(range(21))
    numbers = [str(n) for n in range(1, 21)]
    assert encode.batches == [["0"], numbers[:8], numbers[8:16], numbers[16:]]


async def test_every_thread_runs_one_call() -> None:
    encode = GatedEncoder()
    async with batching(encode, threads=3, batch=2) as batcher:
        asked: list[asyncio.Task[float]] = []
        for n in range(3):
            asked.append(asyncio.create_task(ask(batcher, str(n))))
            await until(lambda n=n: len(encode.batches) == n + 1)
        asked += [asyncio.create_task(ask(batcher, str(n))) for n in range(3, 12)]
        await a_while()
        assert encode.at_once == 3
        encode.gate.set()
        assert await asyncio.gather(*asked) == list(range(12))
    assert encode.most_at_once == 3
    assert max(map(len, encode.batches)) == 2
    assert sorted(int(text) for batch in encode.batches for text in batch) == list(range(12))


async def test_every_caller_gets_its_own_embedding() -> None:
    encode = GatedEncoder(gate_open=True)
    async with batching(encode, threads=4, waiting=1000) as batcher:
        for _ in range(3):
            assert await asyncio.gather(*(ask(batcher, str(n)) for n in range(300))) == list(range(300))


async def test_an_error_reaches_the_callers_of_its_batch_only() -> None:
    encode = GatedEncoder()
    broken = ValueError("cannot be embedded")
    encode.errors["2"] = broken
    async with batching(encode, batch=4) as batcher:
        busy = await occupy(encode, batcher)
        waiting = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 9)]
        await a_while()
        encode.gate.set()
        assert await busy == 0
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert answers[:4] == [broken] * 4
        assert answers[4:] == [5, 6, 7, 8]
        assert await ask(batcher, "9") == 9


async def test_a_query_that_is_cancelled_in_the_queue_is_not_embedded() -> None:
    encode = GatedEncoder()
    async with batching(encode) as batcher:
        busy = await occupy(encode, batcher)
        waiting = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 4)]
        await a_while()
        waiting[1].cancel()
        await a_while()
        encode.gate.set()
        assert await asyncio.gather(busy, waiting[0], waiting[2]) == [0, 1, 3]
        assert waiting[1].cancelled()
    assert encode.batches == [["0"], ["1", "3"]]


async def test_a_batch_of_cancelled_queries_is_skipped() -> None:
    encode = GatedEncoder()
    async with batching(encode) as batcher:
        busy = await occupy(encode, batcher)
        waiting = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 4)]
        await a_while()
        for task in waiting:
            task.cancel()
        encode.gate.set()
        assert await busy == 0
        assert await ask(batcher, "9") == 9
    assert encode.batches == [["0"], ["9"]]


@pytest.mark.parametrize("fails", [False, True])
async def test_cancelling_one_query_of_a_batch_does_not_affect_the_others(fails: bool) -> None:  # noqa: FBT001
    encode = GatedEncoder()
    if fails:
        encode.errors["3"] = ValueError("cannot be embedded")
    async with batching(encode) as batcher:
        asked = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 4)]
        await until(lambda: encode.batches == [["1", "2", "3"]])
        asked[0].cancel()
        await a_while()
        assert asked[0].cancelled()
        encode.gate.set()
        answers = await asyncio.gather(*asked[1:], return_exceptions=True)
        assert answers == ([encode.errors["3"]] * 2 if fails else [2, 3])
        assert await ask(batcher, "9") == 9


async def test_a_full_queue_raises_overloaded_immediately() -> None:
    encode = GatedEncoder()
    async with batching(encode, waiting=3) as batcher:
        busy = await occupy(encode, batcher)
        waiting = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 4)]
        await a_while()
        for _ in range(3):
            with pytest.raises(OverloadedError):
                await ask(batcher, "99")
        assert not any(task.done() for task in waiting)
        encode.gate.set()
        assert await asyncio.gather(busy, *waiting) == [0, 1, 2, 3]
        assert await ask(batcher, "9") == 9
    assert "99" not in [text for batch in encode.batches for text in batch]


async def test_closing_finishes_the_queued_queries() -> None:
    encode = GatedEncoder()
    batcher = QueryBatcher(encode, threads=1, batch=2)
    busy = await occupy(encode, batcher)
    waiting = [asyncio.create_task(ask(batcher, str(n))) for n in range(1, 4)]
    await a_while()
    closing = asyncio.create_task(batcher.close())
    await a_while()
    assert not closing.done()
    encode.gate.set()
    await closing
    assert await asyncio.gather(busy, *waiting) == [0, 1, 2, 3]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encode")]
