from datetime import timedelta

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api import __version__
from api.health_report import Expectations, report_health
from api.schemas import Health
from retrieval.errors import IncompatibleIndexError, OverloadedError
from retrieval.runs import Run, RunOutcome
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import MANIFEST, RUN, VERSION, RaisingSearcher


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


def test_readyz_of_an_unexpected_fault_is_an_error(serve: Serve) -> None:
    assert serve(RaisingSearcher(ZeroDivisionError())).get("/readyz").status_code == 500


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


def reported(run: Run | None = RUN, expected: Expectations = Expectations()) -> Health:  # noqa: B008
    return report_health(
        is_ready=True,
        canary_seconds=0.004,
        manifest=MANIFEST,
        last_run=run,
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


def test_a_run_at_work_or_none_at_all_is_no_reason_to_warn() -> None:
    assert reported(msgspec.structs.replace(RUN, outcome=None, ended_at=None)).status == "pass"
    assert "ingest:lastRun" not in reported(None).checks
