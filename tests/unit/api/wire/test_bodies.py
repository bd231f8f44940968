import asyncio
import logging
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.routes.search import BATCH_BYTES
from api.wire import bodies

GOOD = b'{"requests":[{"query":"x"}]}'


def send(client: TestClient[Litestar], body: bytes, content_type: str | None) -> httpx.Response:
    headers = {} if content_type is None else {"content-type": content_type}
    return client.post("/v1/search/batch", content=body, headers=headers)


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_reads_json(client: TestClient[Litestar], content_type: str | None) -> None:
    assert send(client, GOOD, content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", ""]
)
def test_refuses_another_media_type(client: TestClient[Litestar], content_type: str) -> None:
    response = send(client, GOOD, content_type)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}{}",
        b"query=x",
        b'{"requests":[{"query":"\xff"}]}',
        b'{"requests":[{"query":"\\ud800"}]}',
        b'{"requests":[{"query":"\\udc00\\ud800"}]}',
        b"[" * 5000 + b"]" * 5000,
    ],
)
def test_refuses_invalid_json(client: TestClient[Litestar], body: bytes) -> None:
    response = send(client, body, "application/json")
    assert response.status_code == 400
    assert response.json()["code"] in {"malformed-request", "invalid-parameter"}


def test_refuses_a_body_that_is_too_large(client: TestClient[Litestar]) -> None:
    response = send(client, b" " * (BATCH_BYTES + 1), "application/json")
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


async def answered(client: TestClient[Litestar], *parts: dict[str, Any]) -> tuple[Any, Any]:
    """Send a batch's body in these pieces, and no more: the start of the answer, and its body."""
    left, sent = [*parts], []

    async def receive() -> Any:
        return left.pop(0) if left else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/v1/search/batch",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "client": None,
        "server": None,
        "state": {},
    }
    await client.app(scope, receive, send)
    start, body = sent
    return start, body


HALF = {"type": "http.request", "body": GOOD[:5], "more_body": True}


@pytest.mark.anyio
async def test_a_body_that_does_not_arrive_is_refused(
    client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.02)
    start, body = await answered(client, HALF)
    assert (start["status"], dict(start["headers"])[b"connection"]) == (408, b"close")
    assert b'"code":"body-too-slow"' in body["body"]


@pytest.mark.anyio
async def test_a_client_that_disconnects_in_the_body_is_not_our_error(
    client: TestClient[Litestar], caplog: pytest.LogCaptureFixture
) -> None:
    start, body = await answered(client, HALF, {"type": "http.disconnect"})
    assert (start["status"], b'"code":"body-incomplete"' in body["body"]) == (400, True)
    assert [entry for entry in caplog.records if entry.levelno > logging.INFO] == []
