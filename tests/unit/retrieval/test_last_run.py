import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from retrieval import last_run
from retrieval.last_run import KEPT_SECONDS, LastRun
from retrieval.runs import Run, RunOutcome
from tests.support.waiting import a_while, until

pytestmark = pytest.mark.anyio

BEGAN = datetime(2024, 5, 31, 12, tzinfo=UTC)
NEWER = Run(began_at=BEGAN, sources=("new.csv",), outcome=RunOutcome.REFUSED)
OLDER = Run(began_at=BEGAN, sources=("old.csv",), outcome=RunOutcome.PUBLISHED)


class Log:
    """A log of runs that may fail, or take its time, and a clock."""

    def __init__(self, *runs: Run) -> None:
        self.runs = runs
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.readings = 0
        self.now = 0.0

    async def read(self) -> Sequence[Run]:
        self.readings += 1
        await self.answers.wait()
        if self.error:
            raise self.error
        return self.runs

    def clock(self) -> float:
        return self.now


@pytest.fixture
async def log() -> Log:
    return Log(NEWER, OLDER)


@pytest.fixture
async def last(log: Log) -> AsyncIterator[LastRun]:
    last = LastRun(log.read, clock=log.clock)
    yield last
    await last.close()


async def test_the_first_of_the_log_is_repeated_for_some_seconds(log: Log, last: LastRun) -> None:
    assert await last.get() is NEWER
    log.runs = (OLDER,)
    log.now = KEPT_SECONDS - 0.1
    assert await last.get() is NEWER
    assert log.readings == 1
    log.now = KEPT_SECONDS
    assert await last.get() is OLDER


async def test_an_empty_log_has_no_last_run(log: Log, last: LastRun) -> None:
    log.runs = ()
    assert await last.get() is None


async def test_a_log_that_cannot_be_read_is_told_once_and_the_run_before_stands(
    log: Log, last: LastRun, caplog: pytest.LogCaptureFixture
) -> None:
    await last.get()
    log.error = ZeroDivisionError("no log")
    for _ in range(2):
        log.now += KEPT_SECONDS
        assert await last.get() is NEWER
    log.error = None
    log.now += KEPT_SECONDS
    assert await last.get() is NEWER
    assert [(entry.levelno, entry.getMessage()) for entry in caplog.records] == [
        (logging.WARNING, "The log of runs cannot be read: no log")
    ]


async def test_nobody_waits_for_a_log_that_does_not_answer(
    log: Log, last: LastRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_run, "PATIENCE_SECONDS", 0.01)
    log.answers.clear()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(last.get() for _ in range(3))) == [None] * 3
    assert log.readings == 1
    log.answers.set()
    await a_while()
    assert await last.get() is NEWER
    assert log.readings == 1


async def test_closing_gives_up_a_reading(log: Log, last: LastRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_run, "PATIENCE_SECONDS", 0.01)
    log.answers.clear()
    await last.get()
    await until(lambda: log.readings)
    async with asyncio.timeout(5):
        await last.close()
