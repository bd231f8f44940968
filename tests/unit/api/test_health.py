import asyncio
import logging

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api import __version__
from api.health import Readiness
from retrieval.errors import IncompatibleIndexError, IndexUnavailableError, OverloadedError
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import VERSION, EchoSearcher, RaisingSearcher


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_get_and_head_pass(client: TestClient[Litestar], path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["status"]) == (200, "pass")
    assert response.headers["cache-control"] == "no-store"
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == response.headers["content-length"]


def test_probes_take_any_query_string(client: TestClient[Litestar]) -> None:
    for path in ("/", "/livez", "/readyz", "/health"):
        assert client.get(f"{path}?t=1&%FF").status_code == 200


def test_livez_passes_whatever_the_index_does(serve: Serve) -> None:
    client = serve(RaisingSearcher())
    assert client.get("/livez").json() == {"status": "pass"}
    assert client.get("/").status_code == 200


def test_readyz_says_what_to_run_where_there_is_no_index(serve: Serve) -> None:
    client = serve(RaisingSearcher())
    response = client.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "index-unavailable")
    assert "python -m ingest sync SOURCE" in response.json()["detail"]
    assert int(response.headers["retry-after"]) > 0
    assert client.head("/readyz").status_code == 503


@pytest.mark.parametrize("error", [OverloadedError("full"), IncompatibleIndexError("old")])
def test_readyz_is_503_for_every_known_fault(serve: Serve, error: Exception) -> None:
    assert serve(RaisingSearcher(error)).get("/readyz").status_code == 503


def test_readyz_of_an_unexpected_fault_is_an_error(serve: Serve) -> None:
    assert serve(RaisingSearcher(ZeroDivisionError())).get("/readyz").status_code == 500


def test_health_describes_the_index(client: TestClient[Litestar]) -> None:
    response = client.get("/health")
    assert response.headers["content-type"] == "application/health+json"
    assert response.json() == {
        "status": "pass",
        "version": __version__,
        "index": {
            "version": VERSION,
            "built_at": "2024-05-31T12:00:00Z",
            "videos": 3,
            "passages": 7,
            "videos_with_transcript": 2,
        },
    }


def test_health_fails_without_an_index(serve: Serve) -> None:
    client = serve(RaisingSearcher())
    response = client.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "fail", "version": __version__, "index": None}
    assert client.head("/health").status_code == 503


def test_many_polls_are_one_question(serve: Serve) -> None:
    searcher = EchoSearcher()
    client = serve(searcher)
    for _ in range(20):
        client.get("/readyz")
    assert searcher.checks == 1


def test_asks_again_after_a_second_and_keeps_a_fault_too() -> None:
    async def scenario() -> None:
        clock, searcher = Clock(), RaisingSearcher()
        readiness = Readiness(searcher, clock=clock)
        for seconds, checks in [(0.0, 1), (0.9, 1), (0.2, 2)]:
            clock.now += seconds
            with pytest.raises(IndexUnavailableError):
                await readiness.check()
            assert searcher.checks == checks

    asyncio.run(scenario())


def test_one_question_at_a_time() -> None:
    class Slow(EchoSearcher):
        async def check(self) -> None:
            await asyncio.sleep(0.01)
            self.checks += 1

    async def scenario() -> int:
        searcher = Slow()
        readiness = Readiness(searcher)
        await asyncio.gather(*(readiness.check() for _ in range(50)))
        return searcher.checks

    assert asyncio.run(scenario()) == 1


def test_no_answer_in_time_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(EchoSearcher):
        async def check(self) -> None:
            await asyncio.sleep(60)

    monkeypatch.setattr("api.health.CHECK_SECONDS", 0.01)
    with pytest.raises(IndexUnavailableError):
        asyncio.run(Readiness(Stuck()).check())


def test_says_once_that_it_is_lost_and_found(caplog: pytest.LogCaptureFixture) -> None:
    class Flaky(EchoSearcher):
        fault: Exception | None = IndexUnavailableError("gone")

        async def check(self) -> None:
            if self.fault:
                raise self.fault

    async def scenario() -> None:
        clock, searcher = Clock(), Flaky()
        readiness = Readiness(searcher, clock=clock)
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
