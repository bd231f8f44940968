import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.access.keys import make_key
from api.app import create_app
from api.pages.charts import HEIGHT, WIDTH
from api.settings import ApiSettings
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.errors import OverloadedError
from retrieval.settings import SearchSettings
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import RUN, EchoSearcher, RaisingSearcher, opens
from tests.unit.api.guarded import guarded

METRICS_KEY, STORED = make_key("dashboard", ["metrics"], datetime.now(UTC))


def fresh(searcher: EchoSearcher, **settings: object) -> TestClient[Litestar]:
    """A service of its own: others have counted the searches of other tests."""
    return TestClient(
        create_app(ApiSettings(search=SearchSettings(), **settings), open_search=opens(searcher))  # type: ignore[arg-type]
    )


@pytest.fixture
def new_client() -> Iterator[TestClient[Litestar]]:
    with fresh(EchoSearcher()) as client:
        yield client


def test_shows_how_the_service_is(client: TestClient[Litestar]) -> None:
    answer = client.get("/status")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<h1 id="headline">Everything works</h1>' in answer.text
    assert "3 videos can be searched." in answer.text
    assert "talks.csv" not in answer.text


def test_is_no_part_of_the_api(client: TestClient[Litestar]) -> None:
    assert not [path for path in client.get("/schema/openapi.json").json()["paths"] if "status" in path]


@pytest.mark.parametrize("error", [None, OverloadedError("full")])
def test_is_answered_also_when_searches_fail(serve: Serve, error: Exception | None) -> None:
    answer = serve(RaisingSearcher(error)).get("/status")
    assert answer.status_code == 200
    assert "Searches fail" in answer.text
    assert "python -m ingest sync SOURCE" in answer.text
    assert "someone" not in answer.text


def test_an_hour_without_searches_says_so(new_client: TestClient[Litestar]) -> None:
    page = new_client.get("/status").text
    assert "No searches in the minute since the start." in page
    assert 'role="img"' not in page


def test_searches_are_drawn_and_told(new_client: TestClient[Litestar]) -> None:
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
    # The policy allows no style but that of the sheets.
    assert "style=" not in page
    assert new_client.get("/status/activity").text in page


def test_what_is_refused_is_drawn_too() -> None:
    with fresh(RaisingSearcher()) as client:
        client.get("/v1/search?query=zebra")
        page = client.get("/status").text
    assert "0 answered, 1 refused or failed" in page
    assert page.count('role="img"') == 1


def test_where_keys_are_asked_for_the_charts_take_one() -> None:
    with guarded(keys=(STORED,)) as client:
        page = client.get("/status").text
        assert "data-asks-for-key" in page
        assert "No searches" not in page
        assert client.get("/status/activity").status_code == 401
        shown = client.get("/status/activity", headers={"X-API-Key": METRICS_KEY})
        assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
        assert "No searches in the minute since the start" in shown.text
        assert "<html" not in shown.text


def test_figures_with_a_port_of_their_own_are_not_shown_here() -> None:
    with fresh(EchoSearcher(), metrics_port=9464) as client:
        client.get("/v1/search?query=zebra")
        page = client.get("/status").text
        assert "METRICS_PORT" in page
        assert 'role="img"' not in page
        assert client.get("/status/activity").status_code == 404


def test_a_log_of_runs_is_escaped() -> None:
    class Logged(EchoSearcher):
        async def recent_runs(self) -> tuple[Run, ...]:
            hostile = msgspec.structs.replace(RUN, outcome=RunOutcome.PUBLISHED, index_version="<script>x")
            return (hostile, *([RUN] * 6))

    with fresh(Logged()) as client:
        page = client.get("/status").text
    assert "&lt;script&gt;x" in page
    assert "<script>x" not in page
    assert "2 earlier" in page
    assert "talks.csv" not in page
