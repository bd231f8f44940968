from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.pages.pages import PAGE_ROUTES, path_of, prefers_page, wants_page
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import EchoSearcher

CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("accept", "prefers"),
    [
        (CHROMIUM, True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/*", True),
        ("text/html;q=0.9, application/json;q=0.8", True),
        ("text/html;level=1;q=0.2, application/json;q=0.1", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("text/html, application/*", False),
        ("text/html;q=0.8, */*", False),
        ("text/html;q=0, */*;q=0", False),
        ("text/html;q=x, image/png", False),
        ("text/plain, */*", False),
        (",;,=", False),
    ],
)
def test_prefers_a_page(accept: str, *, prefers: bool) -> None:
    assert prefers_page(accept) is prefers


def scope(path: str, method: str = "GET", accept: str = "*/*", root: str = "") -> Any:
    headers = [(b"accept", accept.encode())]
    return {"type": "http", "method": method, "path": path, "root_path": root, "headers": headers}


@pytest.mark.parametrize(
    ("asked", "wants"),
    [
        (scope("/app"), True),
        (scope("/app/"), True),
        (scope("/app/search", accept="application/json"), True),
        (scope("/app/videos/a"), True),
        (scope("/status"), True),
        (scope("/x/app", root="/x"), True),
        (scope("/", accept=CHROMIUM), True),
        (scope("/"), False),
        (scope("/", "HEAD", CHROMIUM), False),
        (scope("/application", accept=CHROMIUM), False),
        (scope("/v1/search", accept=CHROMIUM), False),
        (scope("/x/app"), False),
    ],
)
def test_wants_a_page(asked: Any, *, wants: bool) -> None:
    assert wants_page(asked) is wants


def test_the_path_below_wherever_the_app_is_mounted() -> None:
    assert [path_of(scope(path)) for path in ("/", "/app/", "/app/search")] == ["/", "/app", "/app/search"]
    assert path_of(scope("/x", root="/x")) == "/"


@pytest.mark.parametrize("path", [f"{route}/nope" for route in PAGE_ROUTES])
def test_an_error_where_a_page_was_asked_for_is_one(client: TestClient[Litestar], path: str) -> None:
    answer = client.get(f"{path}?query=zebra", headers={"x-request-id": "of-mine"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "Not found" in answer.text
    assert "There is no such page." in answer.text
    assert "of-mine" in answer.text
    assert "zebra" not in answer.text


def test_what_lies_beside_the_pages_is_asked_anew_each_time(serve: Serve) -> None:
    answer = serve(EchoSearcher()).get("/app/assets/page.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "no-cache"
