import asyncio
import logging
import time
from datetime import timedelta

import msgspec
import pytest
import structlog
from litestar import Litestar
from litestar.testing import TestClient

from api import __version__
from api.app import create_app
from api.draining import Draining
from api.errors import StoppingError
from api.health import Readiness
from api.health_report import Expectations, report_health
from api.logs import with_fields
from api.schemas import Health
from api.settings import ApiSettings
from retrieval.errors import IncompatibleIndexError, IndexUnavailableError, OverloadedError
from retrieval.runs import Run, RunOutcome
from retrieval.settings import SearchSettings
from tests.support.scrapes import Scrape
from tests.support.waiting import until
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import MANIFEST, RUN, VERSION, EchoSearcher, RaisingSearcher, opens


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz", "/health"])
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


class Broken(EchoSearcher):
    """Fails where nobody expected it."""

    async def check(self) -> None:
        self.checks += 1
        raise ZeroDivisionError("a bug")


def test_an_unexpected_fault_is_told_as_every_other_and_logged_once(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.health.KEPT_SECONDS", 0.001)
    searcher = Broken()
    client = serve(searcher)
    for _ in range(3):
        problem = client.get("/readyz")
        assert (problem.status_code, problem.json()["code"]) == (503, "index-unavailable")
        assert "a bug" not in problem.text
        assert client.get("/health").status_code == 503
        assert Scrape(client.get("/metrics").text).value("vidsearch_ready") == 0
        checks = searcher.checks
        while searcher.checks == checks:
            client.get("/livez")
    (entry,) = [entry for entry in caplog.records if entry.levelno > logging.INFO]
    assert entry.getMessage() == "Not ready: The canary search failed."
    assert entry.exc_info
    assert isinstance(entry.exc_info[1], ZeroDivisionError)


def test_health_describes_the_index_and_what_was_looked_at(client: TestClient[Litestar]) -> None:
    response = client.get("/health")
    assert response.headers["content-type"] == "application/health+json"
    health = response.json()
    checks = health.pop("checks")
    assert health == {
        "status": "pass",
        "version": __version__,
        "index": {
            "version": VERSION,
            "built_at": "2024-05-31T12:00:00Z",
            "videos": 3,
            "passages": 7,
            "videos_with_transcript": 2,
        },
        "model": {"name": "all-MiniLM-L6-v2", "dimension": 384, "weights_sha256": "53aa"},
    }
    assert {name: (check["status"], check["observedUnit"]) for name, (check,) in checks.items()} == {
        "backend:responseTime": ("pass", "ms"),
        "index:age": ("pass", "s"),
        "index:transcriptCoverage": ("pass", "share"),
        "ingest:lastRun": ("pass", None),
    }
    (run,) = checks["ingest:lastRun"]
    assert (run["observedValue"], run["time"]) == ("published", "2024-05-31T12:00:00Z")
    assert "talks.csv" not in response.text


def test_health_fails_without_an_index(serve: Serve) -> None:
    client = serve(RaisingSearcher())
    response = client.get("/health")
    assert response.status_code == 503
    health = response.json()
    assert (health["status"], health["index"], health["model"]) == ("fail", None, None)
    assert health["checks"]["backend:responseTime"][0]["status"] == "fail"
    assert client.head("/health").status_code == 503


def reported(*runs: Run, expected: Expectations = Expectations()) -> Health:  # noqa: B008
    return report_health(
        is_ready=True,
        is_stopping=False,
        canary_seconds=0.004,
        manifest=MANIFEST,
        runs=runs,
        expected=expected,
        now=MANIFEST.built_at + timedelta(days=3),
    )


@pytest.mark.parametrize(
    ("expected", "check", "status"),
    [
        (Expectations(most_days=3), "index:age", "pass"),
        (Expectations(most_days=2), "index:age", "warn"),
        (Expectations(least_coverage=0.66), "index:transcriptCoverage", "pass"),
        (Expectations(least_coverage=0.67), "index:transcriptCoverage", "warn"),
    ],
)
def test_health_warns_where_something_falls_short(expected: Expectations, check: str, status: str) -> None:
    health = reported(expected=expected)
    assert health.checks[check][0].status == status
    assert health.status == status


def test_an_index_is_as_old_as_the_last_sync_that_found_nothing_to_change() -> None:
    now = MANIFEST.built_at + timedelta(days=3)
    run = msgspec.structs.replace(RUN, outcome=RunOutcome.UNCHANGED, ended_at=now - timedelta(hours=1))
    at_work = Run(began_at=now, sources=("talks.csv",))
    for runs in ([run], [at_work, run]):
        (age,) = reported(*runs, expected=Expectations(most_days=2)).checks["index:age"]
        assert (age.status, age.observed_value) == ("pass", 3600)
    # It is never older than it was built.
    before = msgspec.structs.replace(run, ended_at=MANIFEST.built_at - timedelta(days=9))
    (age,) = reported(before).checks["index:age"]
    assert age.observed_value == 3 * 86_400


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("published", "pass"),
        ("unchanged", "pass"),
        ("refused", "warn"),
        ("failed", "warn"),
        ("stopped", "warn"),
    ],
)
def test_health_warns_where_the_last_run_went_wrong(outcome: str, status: str) -> None:
    run = msgspec.structs.replace(RUN, outcome=RunOutcome(outcome), why="/home/someone/talks.csv: torn")
    health = reported(run)
    assert health.status == status
    assert "someone" not in repr(health)


def test_no_run_at_all_is_no_reason_to_warn() -> None:
    health = reported()
    assert (health.status, "ingest:lastRun" in health.checks) == ("pass", False)


@pytest.mark.parametrize(("hours", "status"), [(0, "pass"), (11, "pass"), (13, "warn"), (1000, "warn")])
def test_health_warns_where_a_run_has_not_ended_for_long(hours: int, status: str) -> None:
    began = MANIFEST.built_at + timedelta(days=3, hours=-hours)
    health = reported(msgspec.structs.replace(RUN, outcome=None, ended_at=None, began_at=began))
    assert health.status == health.checks["ingest:lastRun"][0].status == status


def test_a_service_that_stops_says_that_and_not_that_searches_are_not_answered() -> None:
    draining = Draining()
    app = create_app(
        ApiSettings(search=SearchSettings()), open_search=opens(EchoSearcher()), draining=draining
    )
    with TestClient(app) as client:
        assert "service:stopping" not in client.get("/health").json()["checks"]
        draining.begin()
        response = client.get("/health")
        checks = response.json()["checks"]
        assert (response.status_code, response.json()["status"]) == (503, "fail")
        assert checks["service:stopping"][0]["output"].startswith("The service was told to stop.")
        assert checks["backend:responseTime"][0]["status"] == "pass"
        assert "not answered" not in response.text


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

    monkeypatch.setattr("api.health.KEPT_SECONDS", 0.001)
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

    monkeypatch.setattr("api.health.KEPT_SECONDS", 0.001)
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

    monkeypatch.setattr("api.health.KEPT_SECONDS", 0.02)
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

    monkeypatch.setattr("api.health.KEPT_SECONDS", 0.01)
    monkeypatch.setattr("api.health.WATCHED_SECONDS", 0.05)
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

    monkeypatch.setattr("api.health.CHECK_SECONDS", 0.01)
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
