import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.search import recent_runs
from retrieval.search.recent_runs import KEPT_SECONDS, RecentRuns
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
async def recent(log: Log) -> AsyncIterator[RecentRuns]:
    recent = RecentRuns(log.read, clock=log.clock)
    yield recent
    await recent.close()


async def test_the_log_is_repeated_for_some_seconds(log: Log, recent: RecentRuns) -> None:
    assert await recent.get() == (NEWER, OLDER)
    log.runs = (OLDER,)
    log.now = KEPT_SECONDS - 0.1
    assert await recent.get() == (NEWER, OLDER)
    assert log.readings == 1
    log.now = KEPT_SECONDS
    assert await recent.get() == (OLDER,)


async def test_an_empty_log_has_no_runs(log: Log, recent: RecentRuns) -> None:
    log.runs = ()
    assert await recent.get() == ()


async def test_a_log_that_cannot_be_read_is_told_once_and_what_was_read_before_stands(
    log: Log, recent: RecentRuns, caplog: pytest.LogCaptureFixture
) -> None:
    await recent.get()
    log.error = ZeroDivisionError("no log")
    for _ in range(2):
        log.now += KEPT_SECONDS
        assert await recent.get() == (NEWER, OLDER)
    log.error = None
    log.now += KEPT_SECONDS
    assert await recent.get() == (NEWER, OLDER)
    assert [(entry.levelno, entry.getMessage()) for entry in caplog.records] == [
        (logging.WARNING, "The log of runs cannot be read: no log")
    ]


async def test_nobody_waits_for_a_log_that_does_not_answer(
    log: Log, recent: RecentRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_runs, "PATIENCE_SECONDS", 0.01)
    log.answers.clear()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(recent.get() for _ in range(3))) == [()] * 3
    assert log.readings == 1
    log.answers.set()
    await a_while()
    assert await recent.get() == (NEWER, OLDER)
    assert log.readings == 1


async def test_closing_gives_up_a_reading(
    log: Log, recent: RecentRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_runs, "PATIENCE_SECONDS", 0.01)
    log.answers.clear()
    await recent.get()
    await until(lambda: log.readings)
    async with asyncio.timeout(5):
        await recent.close()
