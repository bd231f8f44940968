import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.access.keys import make_key
from api.pages.charts import HEIGHT, WIDTH
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.errors import OverloadedError
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import RUN, EchoSearcher, RaisingSearcher
from tests.unit.api.guarded import guarded, service

METRICS_KEY, STORED = make_key("dashboard", ["metrics"], datetime.now(UTC))


@pytest.fixture
def new_client() -> Iterator[TestClient[Litestar]]:
    with service() as client:
        yield client


def test_shows_the_state_of_the_service(client: TestClient[Litestar]) -> None:
    response = client.get("/status")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert '<h1 id="headline">Everything works</h1>' in response.text
    assert "3 videos in the index." in response.text
    assert "talks.csv" not in response.text


@pytest.mark.parametrize("error", [None, OverloadedError("full")])
def test_responds_with_200_even_if_search_is_failing(serve: Serve, error: Exception | None) -> None:
    response = serve(RaisingSearcher(error)).get("/status")
    assert response.status_code == 200
    assert "Search is failing" in response.text
    assert "python -m ingest sync SOURCE" in response.text
    assert "someone" not in response.text


def test_an_hour_without_searches_has_no_charts(new_client: TestClient[Litestar]) -> None:
    page = new_client.get("/status").text
    assert "No searches since the service started less than a minute ago." in page
    assert 'role="img"' not in page


def test_searches_are_shown_as_charts_and_text(new_client: TestClient[Litestar]) -> None:
    for _ in range(3):
        new_client.get("/v1/search?query=zebra")
    new_client.get("/search?query=zebra")
    new_client.get("/v1/search")
    page = new_client.get("/status").text
    assert "4 answered, 0 refused or failed, 4 in the busiest minute." in page
    assert page.count('role="img"') == 2
    assert page.count(f'viewBox="0 0 {WIDTH} {HEIGHT}"') == 2
    assert re.search(r"<tr><th scope=\"row\">now</th><td>4</td><td>0</td><td>[\d.]+ ms</td>", page)
    assert "zebra" not in page
    # The Content-Security-Policy forbids inline styles.
    assert "style=" not in page
    assert new_client.get("/status/activity").text in page


def test_refused_searches_are_shown_too() -> None:
    with service(RaisingSearcher()) as client:
        client.get("/v1/search?query=zebra")
        page = client.get("/status").text
    assert "0 answered, 1 refused or failed" in page
    assert page.count('role="img"') == 1


def test_if_keys_are_required_the_charts_require_one() -> None:
    with guarded(keys=(STORED,)) as client:
        page = client.get("/status").text
        assert "data-requires-key" in page
        assert "No searches" not in page
        assert client.get("/status/activity").status_code == 401
        shown = client.get("/status/activity", headers={"X-API-Key": METRICS_KEY})
        assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
        assert "No searches since the service started less than a minute ago" in shown.text
        assert "<html" not in shown.text


def test_if_metrics_have_their_own_port_the_charts_are_hidden() -> None:
    with service(EchoSearcher(), metrics_port=9464) as client:
        client.get("/v1/search?query=zebra")
        page = client.get("/status").text
        assert "METRICS_PORT" in page
        assert 'role="img"' not in page
        assert client.get("/status/activity").status_code == 404


def test_the_log_of_runs_is_escaped() -> None:
    class Logged(EchoSearcher):
        async def recent_runs(self) -> tuple[Run, ...]:
            hostile = msgspec.structs.replace(RUN, outcome=RunOutcome.PUBLISHED, index_version="<script>x")
            return (hostile, *([RUN] * 6))

    with service(Logged()) as client:
        page = client.get("/status").text
    assert "&lt;script&gt;x" in page
    assert "<script>x" not in page
    assert "2 earlier runs" in page
    assert "talks.csv" not in page
