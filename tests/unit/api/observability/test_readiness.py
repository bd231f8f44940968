import asyncio
import logging
import time

import pytest
import structlog

from api.observability.logs import with_fields
from api.observability.readiness import Draining, Readiness
from api.wire.errors import StoppingError
from retrieval.errors import IndexUnavailableError
from tests.support.waiting import until
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import EchoSearcher, RaisingSearcher


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_how_long_it_took_is_known_while_it_is_found_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(EchoSearcher):
        async def check(self) -> None:
            self.checks += 1
            await asyncio.sleep(0.001 if self.checks == 1 else 60)

    async def scenario() -> None:
        searcher = Slow()
        readiness = Readiness(searcher, Draining())
        await readiness.check()
        seconds = readiness.seconds
        await until(lambda: searcher.checks == 2)
        assert seconds
        assert readiness.seconds == seconds
        await readiness.close()

    monkeypatch.setattr("api.observability.readiness.KEPT_SECONDS", 0.001)
    asyncio.run(scenario())


def test_what_is_found_out_later_is_about_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    fields: list[dict[str, object]] = []

    class Noting(EchoSearcher):
        async def check(self) -> None:
            fields.append(structlog.contextvars.get_contextvars())

    async def scenario() -> None:
        readiness = Readiness(Noting(), Draining())
        with with_fields(request_id="probe"):
            await readiness.check()
        await until(lambda: len(fields) > 1)
        await readiness.close()

    monkeypatch.setattr("api.observability.readiness.KEPT_SECONDS", 0.001)
    asyncio.run(scenario())
    assert fields[:2] == [{"request_id": "probe"}, {}]


def test_many_polls_are_one_question(serve: Serve) -> None:
    searcher = EchoSearcher()
    client = serve(searcher)
    for _ in range(20):
        client.get("/readyz")
    assert searcher.checks == 1


def test_what_was_found_is_told_for_a_while_a_fault_too() -> None:
    async def scenario() -> None:
        clock, searcher = Clock(), RaisingSearcher()
        readiness = Readiness(searcher, Draining(), clock=clock)
        for seconds, checks in [(0.0, 1), (0.9, 1), (0.9, 1), (0.3, 2)]:
            clock.now += seconds
            with pytest.raises(IndexUnavailableError):
                await readiness.check()
            assert searcher.checks == checks
        await readiness.close()

    asyncio.run(scenario())


def test_while_somebody_polls_it_is_found_out_anew_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(EchoSearcher):
        async def check(self) -> None:
            self.checks += 1
            await asyncio.sleep(0.05)

    async def scenario() -> tuple[int, list[float]]:
        searcher = Slow()
        readiness = Readiness(searcher, Draining())
        await readiness.check()
        waited = []
        for _ in range(30):
            began = time.monotonic()
            await readiness.check()
            waited.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
        await readiness.close()
        return searcher.checks, waited

    monkeypatch.setattr("api.observability.readiness.KEPT_SECONDS", 0.02)
    checks, waited = asyncio.run(scenario())
    assert checks > 2
    assert max(waited) < 0.04


def test_when_nobody_polls_any_more_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> int:
        searcher = EchoSearcher()
        readiness = Readiness(searcher, Draining())
        await readiness.check()
        await asyncio.sleep(0.1)
        asked = searcher.checks
        await asyncio.sleep(0.1)
        await readiness.close()
        return searcher.checks - asked

    monkeypatch.setattr("api.observability.readiness.KEPT_SECONDS", 0.01)
    monkeypatch.setattr("api.observability.readiness.WATCHED_SECONDS", 0.05)
    assert asyncio.run(scenario()) == 0


def test_a_service_that_was_told_to_stop_is_not_ready() -> None:
    async def scenario() -> None:
        draining = Draining()
        readiness = Readiness(EchoSearcher(), draining)
        await readiness.check()
        draining.begin()
        with pytest.raises(StoppingError):
            await readiness.check()
        await readiness.close()

    asyncio.run(scenario())


def test_one_question_at_a_time() -> None:
    class Slow(EchoSearcher):
        async def check(self) -> None:
            await asyncio.sleep(0.01)
            self.checks += 1

    async def scenario() -> int:
        searcher = Slow()
        readiness = Readiness(searcher, Draining())
        await asyncio.gather(*(readiness.check() for _ in range(50)))
        return searcher.checks

    assert asyncio.run(scenario()) == 1


def test_no_answer_in_time_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(EchoSearcher):
        async def check(self) -> None:
            await asyncio.sleep(60)

    monkeypatch.setattr("api.observability.readiness.CHECK_SECONDS", 0.01)
    with pytest.raises(IndexUnavailableError):
        asyncio.run(Readiness(Stuck(), Draining()).check())


def test_says_once_that_it_is_lost_and_found(caplog: pytest.LogCaptureFixture) -> None:
    class Flaky(EchoSearcher):
        fault: Exception | None = IndexUnavailableError("gone")

        async def check(self) -> None:
            if self.fault:
                raise self.fault

    async def scenario() -> None:
        clock, searcher = Clock(), Flaky()
        readiness = Readiness(searcher, Draining(), clock=clock)
        for _ in range(3):
            clock.now += 2
            with pytest.raises(IndexUnavailableError):
                await readiness.check()
        searcher.fault = None
        for _ in range(3):
            clock.now += 2
            await readiness.check()

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [entry.getMessage() for entry in caplog.records] == ["Not ready: gone", "Ready again."]
