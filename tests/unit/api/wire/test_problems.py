import logging

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.wire.problems import PROBLEMS
from api.wire.schemas import Problem
from retrieval.errors import (
    IncompatibleIndexError,
    IndexUnavailableError,
    ModelUnavailableError,
    OverloadedError,
)
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import RaisingSearcher

PRIVATE = "/home/someone/.data of zebra"
ROUTES = [
    "/search?query=zebra",
    "/v1/search?query=zebra",
    "/v1/videos?cursor=zebra",
    "/v1/videos/zebra",
    "/v1/videos/zebra/search?query=zebra",
    "/v1/videos/zebra/similar",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (IndexUnavailableError(PRIVATE), 503, "index-unavailable", "5"),
        (IncompatibleIndexError(PRIVATE), 503, "index-unavailable", "5"),
        (OverloadedError(PRIVATE), 503, "overloaded", "1"),
        (ModelUnavailableError(PRIVATE), 500, "internal-error", None),
        (RuntimeError(PRIVATE), 500, "internal-error", None),
        (KeyError(PRIVATE), 500, "internal-error", None),
        (ValueError(PRIVATE), 500, "internal-error", None),
        (TimeoutError(PRIVATE), 500, "internal-error", None),
        (ExceptionGroup(PRIVATE, [OverloadedError(PRIVATE)]), 503, "overloaded", "1"),
    ],
)
def test_an_error_of_another_package_has_a_fixed_text(
    serve: Serve, route: str, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    response = serve(RaisingSearcher(error)).get(route)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers.get("retry-after") == retry_after
    assert "zebra" not in response.text
    assert "someone" not in response.text


def test_the_body_is_rfc_9457(serve: Serve) -> None:
    response = serve(RaisingSearcher(OverloadedError(PRIVATE))).get("/search?query=x")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:problem-type:vidsearch:overloaded",
        "title": "Overloaded",
        "status": 503,
        "detail": "Too many searches are waiting. Try again shortly.",
        "code": "overloaded",
    }


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/nope", "/schema/nope", "/schema/assets/nope", "/search/x"]
)
def test_an_unknown_path(client: TestClient[Litestar], path: str) -> None:
    response = client.get(f"{path}?query=zebra")
    assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert response.headers["content-type"] == "application/problem+json"
    assert "zebra" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/search", {"GET", "OPTIONS"}),
        ("HEAD", "/search", {"GET", "OPTIONS"}),
        ("GET", "/v1/search/batch", {"POST", "OPTIONS"}),
        ("DELETE", "/v1/videos/a", {"GET", "OPTIONS"}),
        ("PUT", "/livez", {"GET", "HEAD", "OPTIONS"}),
        ("PROPFIND", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_the_route_does_not_have(
    client: TestClient[Litestar], method: str, path: str, allow: set[str]
) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert set(response.headers["allow"].split(", ")) == allow
    if method != "HEAD":
        assert response.json()["code"] == "method-not-allowed"


def test_a_malformed_host(client: TestClient[Litestar]) -> None:
    response = client.get("/", headers={"host": "a b"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed-request")


def test_an_unexpected_error_is_logged_with_its_traceback(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError("boom")
    serve(RaisingSearcher(error)).get("/v1/videos/zebra/search?query=zebra")
    (entry,) = [entry for entry in caplog.records if entry.levelno > logging.INFO]
    assert (entry.levelno, entry.getMessage()) == (
        logging.ERROR,
        "Unexpected error in GET /v1/videos/{video_id}/search",
    )
    assert entry.exc_info
    assert entry.exc_info[1] is error


def test_an_expected_error_is_not_logged_as_an_error(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    serve(RaisingSearcher()).get("/search?query=x")
    serve(RaisingSearcher()).get("/search")
    assert [entry for entry in caplog.records if entry.levelno > logging.INFO] == []


def test_every_row_can_be_sent() -> None:
    for kind in PROBLEMS.values():
        problem = kind.problem(kind.example)
        assert isinstance(problem, Problem)
        assert problem.detail
        assert problem.type.endswith(problem.code)
        assert (kind.retry_after is not None) == (kind.status in {429, 503})
