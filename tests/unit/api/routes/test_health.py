import asyncio
import logging
from datetime import timedelta

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api import __version__
from api.app import create_app
from api.observability.health import Expectations, report_health
from api.settings import ApiSettings
from api.wire.schemas import Health
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.errors import IncompatibleIndexError, OverloadedError
from retrieval.settings import SearchSettings
from tests.support.scrapes import Scrape
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import MANIFEST, RUN, VERSION, EchoSearcher, RaisingSearcher, opens


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz", "/health"])
def test_get_and_head_pass(client: TestClient[Litestar], path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["status"]) == (200, "pass")
    assert response.headers["cache-control"] == "no-store"
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == response.headers["content-length"]


def test_probes_accept_any_query_string(client: TestClient[Litestar]) -> None:
    for path in ("/", "/livez", "/readyz", "/health"):
        assert client.get(f"{path}?t=1&%FF").status_code == 200


def test_livez_passes_regardless_of_the_index(serve: Serve) -> None:
    client = serve(RaisingSearcher())
    assert client.get("/livez").json() == {"status": "pass"}
    assert client.get("/").status_code == 200


def test_readyz_says_what_to_run_if_there_is_no_index(serve: Serve) -> None:
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
    """Raises an unexpected error."""

    async def check(self) -> None:
        self.checks += 1
        raise ZeroDivisionError("a bug")


def test_an_unexpected_fault_is_reported_like_any_other_and_logged_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(Broken())
    for _ in range(3):
        problem = client.get("/readyz")
        assert (problem.status_code, problem.json()["code"]) == (503, "index-unavailable")
        assert "a bug" not in problem.text
        assert client.get("/health").status_code == 503
        assert Scrape(client.get("/metrics").text).value("vidsearch_ready") == 0
    (entry,) = [entry for entry in caplog.records if entry.levelno > logging.INFO]
    assert entry.getMessage() == "Not ready: The canary search failed."
    assert entry.exc_info
    assert isinstance(entry.exc_info[1], ZeroDivisionError)


def test_health_describes_the_index_and_the_checks(client: TestClient[Litestar]) -> None:
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
def test_health_warns_below_a_threshold(expected: Expectations, check: str, status: str) -> None:
    health = reported(expected=expected)
    assert health.checks[check][0].status == status
    assert health.status == status


def test_the_age_counts_from_the_last_sync_that_found_nothing_to_change() -> None:
    now = MANIFEST.built_at + timedelta(days=3)
    run = msgspec.structs.replace(RUN, outcome=RunOutcome.UNCHANGED, ended_at=now - timedelta(hours=1))
    at_work = Run(began_at=now, sources=("talks.csv",))
    for runs in ([run], [at_work, run]):
        (age,) = reported(*runs, expected=Expectations(most_days=2)).checks["index:age"]
        assert (age.status, age.observed_value) == ("pass", 3600)
    # The age is at most the time since the build.
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
def test_health_warns_if_the_last_run_failed(outcome: str, status: str) -> None:
    run = msgspec.structs.replace(RUN, outcome=RunOutcome(outcome), why="/home/someone/talks.csv: torn")
    health = reported(run)
    assert health.status == status
    assert "someone" not in repr(health)


def test_health_passes_without_any_run() -> None:
    health = reported()
    assert (health.status, "ingest:lastRun" in health.checks) == ("pass", False)


@pytest.mark.parametrize(("hours", "status"), [(0, "pass"), (11, "pass"), (13, "warn"), (1000, "warn")])
def test_health_warns_if_a_run_does_not_end(hours: int, status: str) -> None:
    began = MANIFEST.built_at + timedelta(days=3, hours=-hours)
    health = reported(msgspec.structs.replace(RUN, outcome=None, ended_at=None, began_at=began))
    assert health.status == health.checks["ingest:lastRun"][0].status == status


def test_a_stopping_service_fails_health_without_failing_the_search_check() -> None:
    draining = asyncio.Event()
    app = create_app(
        ApiSettings(search=SearchSettings()), open_search=opens(EchoSearcher()), draining=draining
    )
    with TestClient(app) as client:
        assert "service:stopping" not in client.get("/health").json()["checks"]
        draining.set()
        response = client.get("/health")
        checks = response.json()["checks"]
        assert (response.status_code, response.json()["status"]) == (503, "fail")
        assert checks["service:stopping"][0]["output"].startswith("The service is stopping.")
        assert checks["backend:responseTime"][0]["status"] == "pass"
        assert "failing" not in response.text
