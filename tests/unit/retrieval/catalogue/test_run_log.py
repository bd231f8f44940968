import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from retrieval.catalogue.run_log import RunLog
from retrieval.catalogue.runs import Run, RunOutcome
from tests.support.waiting import a_while, until

pytestmark = pytest.mark.anyio

BEGAN = datetime(2024, 5, 31, 12, tzinfo=UTC)
NEWER = Run(began_at=BEGAN, sources=("new.csv",), outcome=RunOutcome.REFUSED)
OLDER = Run(began_at=BEGAN, sources=("old.csv",), outcome=RunOutcome.PUBLISHED)
MAX_AGE = 10.0


class StoredLog:
    """A log of runs that a test can change, block or break, and a clock."""

    def __init__(self, *runs: Run) -> None:
        self.runs = runs
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.reads = 0
        self.now = 0.0

    async def read(self) -> Sequence[Run]:
        self.reads += 1
        await self.answers.wait()
        if self.error:
            raise self.error
        return self.runs

    def clock(self) -> float:
        return self.now


@pytest.fixture
async def stored() -> StoredLog:
    return StoredLog(NEWER, OLDER)


@pytest.fixture
async def log(stored: StoredLog) -> AsyncIterator[RunLog]:
    log = RunLog(stored.read, max_age=MAX_AGE, timeout=60.0, clock=stored.clock)
    yield log
    await log.close()


@pytest.fixture
async def impatient(stored: StoredLog) -> AsyncIterator[RunLog]:
    log = RunLog(stored.read, timeout=0.01, clock=stored.clock)
    yield log
    await log.close()


async def test_the_log_is_cached_until_its_maximum_age(stored: StoredLog, log: RunLog) -> None:
    assert await log.recent() == (NEWER, OLDER)
    stored.runs = ()
    stored.now = MAX_AGE - 0.1
    assert await log.recent() == (NEWER, OLDER)
    assert stored.reads == 1
    stored.now = MAX_AGE
    assert await log.recent() == ()


async def test_an_error_is_logged_once_and_the_previous_runs_are_returned(
    stored: StoredLog, log: RunLog, caplog: pytest.LogCaptureFixture
) -> None:
    await log.recent()
    stored.error = ZeroDivisionError("no log")
    for _ in range(2):
        stored.now += MAX_AGE
        assert await log.recent() == (NEWER, OLDER)
    stored.error = None
    stored.now += MAX_AGE
    assert await log.recent() == (NEWER, OLDER)
    assert [(entry.levelno, entry.getMessage()) for entry in caplog.records] == [
        (logging.WARNING, "The log of runs cannot be read: no log")
    ]


async def test_a_read_that_hangs_delays_no_caller(stored: StoredLog, impatient: RunLog) -> None:
    stored.answers.clear()
    async with asyncio.timeout(30):
        assert await asyncio.gather(*(impatient.recent() for _ in range(3))) == [()] * 3
    assert stored.reads == 1
    stored.answers.set()
    await a_while()
    assert await impatient.recent() == (NEWER, OLDER)
    assert stored.reads == 1


async def test_closing_cancels_a_read(stored: StoredLog, impatient: RunLog) -> None:
    stored.answers.clear()
    await impatient.recent()
    await until(lambda: stored.reads)
    async with asyncio.timeout(30):
        await impatient.close()
