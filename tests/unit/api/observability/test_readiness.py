import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from api.observability.logs import with_fields
from api.observability.readiness import Readiness
from api.wire.errors import TaskEndedError
from retrieval.background import background_task
from retrieval.errors import IndexUnavailableError
from retrieval.search.searcher import Searcher
from tests.support.clock import Clock
from tests.support.waiting import a_while, until
from tests.unit.api.fakes import EchoSearcher, RaisingSearcher

pytestmark = pytest.mark.anyio


class Hanging(EchoSearcher):
    """Answers the first canary search, and hangs at every later one."""

    async def check(self) -> None:
        self.checks += 1
        if self.checks > 1:
            await asyncio.sleep(60)


@asynccontextmanager
async def running(searcher: Searcher, interval_seconds: float = 0.001) -> AsyncIterator[Readiness]:
    readiness = Readiness(searcher, asyncio.Event(), interval_seconds=interval_seconds)
    async with background_task(readiness.keep_current(), "canary searches"):
        yield readiness


async def test_a_poll_during_a_canary_search_gets_the_previous_result() -> None:
    searcher = Hanging()
    async with running(searcher) as readiness:
        await readiness.check()
        seconds = readiness.seconds
        assert seconds is not None
        await until(lambda: searcher.checks == 2)
        async with asyncio.timeout(0.4):  # Less than the limit of the canary search that hangs.
            await readiness.check()
        assert readiness.seconds == seconds


async def test_periodic_canary_searches_belong_to_no_request() -> None:
    fields: list[dict[str, object]] = []

    class Noting(EchoSearcher):
        async def check(self) -> None:
            fields.append(structlog.contextvars.get_contextvars())

    async with running(Noting()) as readiness:
        with with_fields(request_id="probe"):
            await readiness.check()
        await until(lambda: len(fields) > 1)
    assert fields[:2] == [{"request_id": "probe"}, {}]


async def test_a_result_is_used_until_it_is_stale_a_fault_too() -> None:
    clock, searcher = Clock(), RaisingSearcher()
    readiness = Readiness(searcher, asyncio.Event(), clock=clock)
    for seconds, checks in [(0.0, 1), (0.9, 1), (0.9, 1), (0.3, 2)]:
        clock.now += seconds
        with pytest.raises(IndexUnavailableError):
            await readiness.check()
        assert searcher.checks == checks


async def test_canary_searches_pause_while_no_client_polls() -> None:
    searcher, clock = EchoSearcher(), Clock()
    readiness = Readiness(searcher, asyncio.Event(), clock=clock, interval_seconds=0)
    async with background_task(readiness.keep_current(), "canary searches"):
        await readiness.check()
        await until(lambda: searcher.checks > 3)
        clock.now += 60
        await a_while()
        checks = searcher.checks
        await a_while()
        assert searcher.checks == checks
        readiness.poll()
        await until(lambda: searcher.checks > checks)


async def test_a_service_whose_background_task_has_ended_is_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fails = asyncio.Event()

    async def work() -> None:
        await fails.wait()
        raise ZeroDivisionError

    readiness = Readiness(EchoSearcher(), asyncio.Event())
    async with background_task(work(), "the work") as task:
        readiness.require(task)
        await readiness.check()
        fails.set()
        await until(task.done)
        with pytest.raises(TaskEndedError, match="the work"):
            await readiness.check()
    (entry,) = caplog.records
    assert (entry.levelno, "the work" in entry.getMessage()) == (logging.ERROR, True)


async def test_a_service_that_no_longer_follows_its_index_is_not_ready() -> None:
    searcher = EchoSearcher()
    readiness = Readiness(searcher, asyncio.Event())
    await readiness.check()
    searcher.is_followed = False
    with pytest.raises(TaskEndedError, match="live index follower"):
        await readiness.check()


async def test_one_canary_search_at_a_time() -> None:
    class Slow(EchoSearcher):
        async def check(self) -> None:
            await asyncio.sleep(0.01)
            self.checks += 1

    searcher = Slow()
    readiness = Readiness(searcher, asyncio.Event())
    await asyncio.gather(*(readiness.check() for _ in range(50)))
    assert searcher.checks == 1


async def test_a_canary_search_that_takes_too_long_is_not_ready() -> None:
    class Stuck(EchoSearcher):
        async def check(self) -> None:
            await asyncio.sleep(60)

    with pytest.raises(IndexUnavailableError):
        await Readiness(Stuck(), asyncio.Event(), check_seconds=0.01).check()


async def test_losing_and_regaining_readiness_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Flaky(EchoSearcher):
        fault: Exception | None = IndexUnavailableError("gone")

        async def check(self) -> None:
            if self.fault:
                raise self.fault

    clock, searcher = Clock(), Flaky()
    readiness = Readiness(searcher, asyncio.Event(), clock=clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.now += 2
            with pytest.raises(IndexUnavailableError):
                await readiness.check()
        searcher.fault = None
        for _ in range(3):
            clock.now += 2
            await readiness.check()
    assert [entry.getMessage() for entry in caplog.records] == ["Not ready: gone", "Ready again."]
