from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.pages.pages import PAGE_ROUTES, path_of, prefers_page, wants_page

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
    ("request_scope", "wants"),
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
def test_wants_a_page(request_scope: Any, *, wants: bool) -> None:
    assert wants_page(request_scope) is wants


def test_the_path_is_relative_to_the_mount_point() -> None:
    assert [path_of(scope(path)) for path in ("/", "/app/", "/app/search")] == ["/", "/app", "/app/search"]
    assert path_of(scope("/x", root="/x")) == "/"


@pytest.mark.parametrize("path", [f"{route}/nope" for route in PAGE_ROUTES])
def test_an_error_below_a_page_route_is_a_page(client: TestClient[Litestar], path: str) -> None:
    response = client.get(f"{path}?query=zebra", headers={"x-request-id": "my-id"})
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert response.headers["cache-control"] == "private, no-cache"
    assert "Not found" in response.text
    assert "There is no such page." in response.text
    assert "my-id" in response.text
    assert "zebra" not in response.text
