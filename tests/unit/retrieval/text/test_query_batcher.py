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
    """Encodes a number's text as that number, once the gate is open; keeps its batches."""

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
    async with asyncio.timeout(30):  # No measure of speed: a caller that is forgotten must not wait for ever.
        return float((await batcher.encode_query(text))[0])


async def occupy(encode: GatedEncoder, batcher: QueryBatcher) -> asyncio.Task[float]:
    """Keep the only worker busy with the query "0"."""
    busy = asyncio.create_task(ask(batcher, "0"))
    await until(lambda: encode.batches)
    return busy


async def test_without_load_every_query_goes_alone_and_at_once() -> None:
    encode = GatedEncoder(gate_open=True)
    async with batching(encode) as batcher:
        for n in range(5):
            assert await ask(batcher, str(n)) == n
    assert encode.batches == [[str(n)] for n in range(5)]


async def test_what_waits_together_is_embedded_together_in_the_order_it_came() -> None:
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


async def test_as_many_calls_run_at_once_as_there_are_threads() -> None:
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


async def test_each_of_many_callers_gets_its_own_answer() -> None:
    encode = GatedEncoder(gate_open=True)
    async with batching(encode, threads=4, waiting=1000) as batcher:
        for _ in range(3):
            assert await asyncio.gather(*(ask(batcher, str(n)) for n in range(300))) == list(range(300))


async def test_an_error_reaches_every_caller_of_its_batch_and_nobody_else() -> None:
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


async def test_a_caller_that_went_away_while_waiting_is_not_embedded() -> None:
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


async def test_no_call_is_made_where_everybody_went_away() -> None:
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
async def test_a_caller_that_went_away_while_embedded_takes_nobody_along(fails: bool) -> None:  # noqa: FBT001
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


async def test_the_line_is_bounded_and_the_refusal_immediate() -> None:
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


async def test_closing_finishes_what_is_under_way() -> None:
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


async def test_the_event_loop_runs_on_while_a_query_is_embedded() -> None:
    encode = GatedEncoder()
    async with batching(encode) as batcher:
        busy = await occupy(encode, batcher)
        await a_while()
        assert not busy.done()
        assert encode.at_once == 1
