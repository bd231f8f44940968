import asyncio
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.wire.negotiation import prefers_page, wants_page
from api.wire.paths import normalize_paths
from tests.unit.api.guarded import ROUTES

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
def test_an_accept_header_prefers_a_page_or_json(accept: str, *, prefers: bool) -> None:
    assert prefers_page(accept) is prefers


@pytest.mark.parametrize(
    ("path", "sent", "wants"),
    [
        ("/app", {}, True),
        ("/app/", {}, True),
        ("/app/nope", {}, True),
        ("/app/search", {"accept": "application/json"}, True),
        ("/app/videos/a", {}, True),
        ("/status", {}, True),
        ("/status/nope", {}, True),
        ("/x/app", {"root": "/x"}, True),
        ("/", {"accept": CHROMIUM}, True),
        ("/", {}, False),
        ("/", {"method": "HEAD", "accept": CHROMIUM}, False),
        ("/application", {"accept": CHROMIUM}, False),
        ("/v1/search", {"accept": CHROMIUM}, False),
        ("/schema", {"accept": CHROMIUM}, False),
        ("/x/app", {}, False),
    ],
)
def test_a_client_gets_a_page_by_route_and_accept_header(
    path: str, sent: dict[str, str], *, wants: bool
) -> None:
    results = []

    async def app(scope: Any, *_: object) -> None:
        results.append(wants_page(scope))

    scope: Any = {
        "type": "http",
        "method": sent.get("method", "GET"),
        "path": path,
        "root_path": sent.get("root", ""),
        "headers": [(b"accept", sent.get("accept", "*/*").encode())],
    }
    asyncio.run(normalize_paths(app, ROUTES)(scope, None, None))  # type: ignore[arg-type]
    assert results == [wants]


@pytest.mark.parametrize("path", ["/app/nope", "/status/nope"])
def test_an_error_below_a_page_is_a_page(client: TestClient[Litestar], path: str) -> None:
    answer = client.get(f"{path}?query=zebra", headers={"x-request-id": "of-mine"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "of-mine" in answer.text
    assert "zebra" not in answer.text
