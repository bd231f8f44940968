import asyncio
import logging
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.observability import request_log
from api.observability.index_metrics import Facts
from api.observability.metrics import Metrics
from api.observability.recent_searches import RecentSearches
from api.observability.request_log import GONE, record_requests
from api.observability.tracing import Tracing
from api.wire.paths import normalize_paths
from api.wire.route_properties import SEARCH
from api.wire.route_table import RouteTable
from retrieval.errors import OverloadedError
from tests.support.scrapes import Scrape
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import RaisingSearcher

LOGGER = request_log.__name__
TOTAL = "vidsearch_http_requests_total"
pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


def line(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (record,) = lines(caplog)
    return {name: getattr(record, name, None) for name in ("method", "route", "status", "problem")}


@pytest.mark.parametrize("given", ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "x" * 128, "!#$%&()~[]{}:/"])
def test_a_usable_request_id_is_sent_back(client: TestClient[Litestar], given: str) -> None:
    for path in ("/livez", "/nope", "/v1/search"):
        assert client.get(path, headers={"X-Request-ID": given}).headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize(
    "given", [None, "", "x" * 129, "two words", 'quo"te', "quo'te", "new\tline", "caf\xe9"]
)
def test_an_unusable_request_id_is_replaced(client: TestClient[Litestar], given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given.encode("latin-1")}
    ids = {client.get("/livez", headers=headers).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(len(each) == 32 and each.isalnum() for each in ids)


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "problem"),
    [
        ("GET", "/v1/search?query=zebra", "/v1/search", 200, None),
        ("GET", "/v1/search/?query=zebra", "/v1/search", 200, None),
        ("GET", "/search", "/search", 400, "invalid-parameter"),
        ("HEAD", "/search?query=zebra", "/search", 405, "method-not-allowed"),
        ("GET", "/v1/videos/a%2Fzebra/search?query=zebra", "/v1/videos/{video_id}/search", 200, None),
        ("DELETE", "/v1/videos/zebra", "/v1/videos/{video_id}", 405, "method-not-allowed"),
        ("GET", "/zebra?query=zebra", "unmatched", 404, "not-found"),
        ("POST", "/v1/search/batch", "/v1/search/batch", 400, "malformed-request"),
    ],
)
def test_a_request_is_logged_and_counted_once(
    client: TestClient[Litestar],
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    route: str,
    status: int,
    problem: str | None,
) -> None:
    labels = {"method": method, "route": route, "status": str(status)}
    before = Scrape(client.get("/metrics").text).value(TOTAL, **labels) or 0
    caplog.clear()
    client.request(method, path)
    assert line(caplog) == {"method": method, "route": route, "status": status, "problem": problem}
    (record,) = lines(caplog)
    assert record.levelno == logging.INFO
    assert 0 < record.__dict__["duration_ms"] < 5000
    assert "zebra" not in str(record.__dict__)
    after = Scrape(client.get("/metrics").text)
    assert after.value(TOTAL, **labels) == before + 1
    assert not {value for value in after.label_values() if "zebra" in value}


def test_an_unknown_method_is_recorded_as_other(
    client: TestClient[Litestar], caplog: pytest.LogCaptureFixture
) -> None:
    client.request("PROPFIND", "/search")
    assert line(caplog)["method"] == "other"


@pytest.mark.parametrize("path", ["/", "/livez", "/startupz", "/readyz", "/health", "/metrics", "/status"])
def test_polled_routes_are_logged_at_debug_level(
    client: TestClient[Litestar], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    client.get(path)
    (record,) = lines(caplog)
    assert record.levelno == logging.DEBUG


def test_an_unexpected_error_is_recorded_as_a_500(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    serve(RaisingSearcher(RuntimeError("boom"))).get("/v1/search?query=zebra")
    assert line(caplog) == {
        "method": "GET",
        "route": "/v1/search",
        "status": 500,
        "problem": "internal-error",
    }


def test_a_request_refused_under_overload_is_counted_as_shed(serve: Serve) -> None:
    client = serve(RaisingSearcher(OverloadedError("full")))

    def shed() -> float:
        return Scrape(client.get("/metrics").text).total("vidsearch_http_requests_shed_total")

    before = shed()
    assert client.get("/search?query=x").json()["code"] == "overloaded"
    assert shed() == before + 1


class Call:
    """One request to an app, and what was recorded of it."""

    def __init__(self, app: Any, *, received: Iterable[dict[str, Any]] = ()) -> None:
        self.metrics = Metrics()
        self.recent = RecentSearches()
        self._received = iter(received)
        recorded = record_requests(app, self.metrics.requests, self.recent, Tracing(None))
        self._app = normalize_paths(recorded, RouteTable({"/v1/search": SEARCH}))

    async def __call__(self) -> None:
        scope = {"type": "http", "method": "GET", "path": "/v1/search", "headers": [], "state": {}}
        await self._app(scope, self._receive, self._send)  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        return next(self._received)

    async def _send(self, _: Any) -> None: ...

    @property
    def scrape(self) -> Scrape:
        return Scrape(self.metrics.exposition(Facts()).decode())

    def assert_recorded_once_as(self, status: int) -> None:
        labels = {"method": "GET", "route": "/v1/search"}
        assert self.scrape.total(TOTAL) == 1
        assert self.scrape.value(TOTAL, status=str(status), **labels) == 1
        assert self.scrape.value("vidsearch_http_requests_in_progress", **labels) == 0
        whole = self.recent.hour().whole
        assert (whole.answered, whole.refused) == {200: (1, 0), 500: (0, 1), GONE: (0, 0)}[status]


START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.parametrize(
    ("begins", "raises", "status"), [(False, True, 500), (True, True, 200), (False, False, 500)]
)
async def test_an_app_that_fails_is_recorded_with_the_status_that_it_sent_or_a_500(
    caplog: pytest.LogCaptureFixture, *, begins: bool, raises: bool, status: int
) -> None:
    async def app(_: object, __: object, send: Any) -> None:
        if begins:
            await send(START)
        if raises:
            raise ZeroDivisionError

    call = Call(app)
    with pytest.raises(ZeroDivisionError) if raises else nullcontext():
        await call()
    call.assert_recorded_once_as(status)
    assert line(caplog)["status"] == status


async def test_a_cancelled_request_is_recorded() -> None:
    async def app(*_: object) -> None:
        await asyncio.sleep(60)

    call = Call(app)
    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    labels = {"method": "GET", "route": "/v1/search"}
    assert call.scrape.value("vidsearch_http_requests_in_progress", **labels) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    call.assert_recorded_once_as(500)


async def test_a_client_that_disconnects_before_the_response_is_not_our_error() -> None:
    async def app(_: object, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"
        await send({**START, "status": 500})

    call = Call(app, received=[{"type": "http.disconnect"}])
    await call()
    call.assert_recorded_once_as(GONE)


async def test_a_client_that_disconnects_after_the_response_was_answered() -> None:
    async def app(_: object, receive: Any, send: Any) -> None:
        await send(START)
        assert (await receive())["type"] == "http.disconnect"

    call = Call(app, received=[{"type": "http.disconnect"}])
    await call()
    call.assert_recorded_once_as(200)
