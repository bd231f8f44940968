"""Requests whose head is too large or too slow, over real sockets."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from api.observability.index_metrics import Facts
from api.observability.metrics import Metrics
from api.server import connections
from api.server.connections import LARGEST_HEAD, BoundedConnection
from tests.support.scrapes import Scrape
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answer_everything(_: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Impatient(BoundedConnection):
    head_seconds = read_seconds = 0.3


@asynccontextmanager
async def connected(
    app: Any = answer_everything, protocol: type[BoundedConnection] = BoundedConnection
) -> AsyncIterator[Streams]:
    config = uvicorn.Config(app, port=0, http=protocol, lifespan="off", log_config=None, ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await server.shutdown()


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    async with asyncio.timeout(60):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    assert b"connection: close" in head
    assert re.search(rb"\r\nx-request-id: [0-9a-f]{32}\r\n", head)
    return int(head.split()[1]), json.loads(body)


async def answered_while_sending(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: bytes
) -> tuple[int, dict[str, Any]]:
    answer = asyncio.create_task(answered(reader))
    while not answer.done():
        writer.write(piece)
        # A client that keeps sending to a closed connection may lose the answer, hence the pauses.
        await asyncio.wait([answer], timeout=0.02)
    return await answer


async def test_a_head_and_a_body_of_many_pieces_are_read() -> None:
    async with connected() as (reader, writer):
        for _ in range(2):
            body = b"x" * (3 * LARGEST_HEAD)
            for piece in (b"POST / HTTP/1.1\r\nHo", b"st: x\r\nContent-Length: %d\r\n\r\n" % len(body), body):
                writer.write(piece)
                await asyncio.sleep(0.02)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(2) == b"ok"


async def test_a_connection_without_a_request_is_closed_silently() -> None:
    async with connected(protocol=Impatient) as (reader, _):
        async with asyncio.timeout(60):
            assert await reader.read() == b""


async def test_a_slow_second_request_is_refused() -> None:
    async with connected(protocol=Impatient) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"ok")
        writer.write(b"GET / HT")
        status, problem = await answered(reader)
        assert (status, problem["code"]) == (408, "head-too-slow")


LONG = b"a" * (LARGEST_HEAD // 15)
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "more", "status", "code"),
    [
        (b"no HTTP\r\n\r\n", b"", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\n", b"X: 1\r\n", 408, "head-too-slow"),
        (b"GET /", LONG, 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\nX-Long: ", LONG, 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 10_000 + b"Y: ", LONG, 431, "head-too-large"),
    ],
    ids=["no HTTP", "slow", "long path", "long header", "many headers"],
)
async def test_requests_with_an_invalid_head_are_refused_counted_and_logged(
    sent: bytes, more: bytes, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, connections.__name__)
    metrics = Metrics()
    base = Impatient if status == 408 else BoundedConnection
    counted_by_metrics = type("Counted", (base,), {"metrics": metrics.requests})
    async with connected(answer_everything, counted_by_metrics) as (reader, writer):
        writer.write(sent)
        refused, problem = await answered_while_sending(reader, writer, more)
        assert (refused, problem["code"]) == (status, code)
    counted = Scrape(metrics.exposition(Facts()).decode())
    name = "vidsearch_http_requests_unread_total"
    assert (counted.value(name, code=code), counted.total(name)) == (1, 1)
    (line,) = [entry for entry in caplog.records if entry.name == connections.__name__]
    assert (line.levelno, line.__dict__["status"], line.__dict__["problem"]) == (logging.DEBUG, status, code)


async def test_trailers_are_not_headers() -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer_everything(scope, receive, send)
        seen.append([*scope["headers"]])

    async with connected(app) as (reader, writer):
        writer.write(CHUNKED + b"2\r\nhi\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\nX-API-Key: a\r\n\r\n")
        await reader.readuntil(b"ok")
        await until(lambda: seen)
        assert [name for name, _ in seen[0]] == [b"host", b"transfer-encoding"]
        # The connection continues as if there had been no trailers.
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"ok")


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (CHUNKED + b"0\r\n", b"X: " + b"a" * 1000 + b"\r\n"),
        (CHUNKED + b"0\r\nX: ", b"a" * 1000),
        (CHUNKED + b"2;", b"a" * 1000),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n" * 500),
    ],
    ids=["trailers", "a trailer", "a chunk's extension", "empty lines"],
)
async def test_the_rest_of_a_request_is_limited_as_well(begin: bytes, piece: bytes) -> None:
    async with connected() as (reader, writer):
        sent = 0
        writer.write(begin)
        async with asyncio.timeout(60):
            while not writer.is_closing() and not reader.at_eof():
                with contextlib.suppress(ConnectionError):
                    writer.write(piece)
                    await writer.drain()
                sent += len(piece)
                await asyncio.sleep(0)
                assert sent < 1000 * LARGEST_HEAD


async def answer_at_once(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X"),
    ],
    ids=["an empty line", "a body", "a trailer"],
)
async def test_a_connection_without_a_next_request_is_closed(head: bytes, more: bytes) -> None:
    async with connected(answer_at_once, Impatient) as (reader, writer):
        writer.write(head)
        await reader.readuntil(b"ok")
        writer.write(more)
        async with asyncio.timeout(60):
            assert await reader.read() == b""


async def test_a_client_that_reads_no_answer_is_disconnected() -> None:
    ended = asyncio.Event()

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, False):
            await send({"type": "http.response.body", "body": b"x" * 20_000_000, "more_body": more})
        ended.set()

    async with connected(app, Impatient) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            await ended.wait()


@pytest.mark.parametrize("high", [None, 50_000_000], ids=["much", "little"])
async def test_a_client_that_does_not_read_the_end_of_an_answer_is_disconnected(high: int | None) -> None:
    lost = asyncio.Event()

    class Connection(Impatient):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            transport.set_write_buffer_limits(high)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})

    async with connected(app, Connection) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            await lost.wait()


class SlowlyTaken(asyncio.Transport):
    """A transport with this many bytes left to send at each check."""

    def __init__(self, left: list[int]) -> None:
        super().__init__()
        self.left = left
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.left.pop(0)

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize(
    ("left", "aborted"),
    [([900_000, 900_000], True), ([900_000, 899_000], True), ([900_000, 800_000, 800_000], False)],
)
async def test_a_client_that_keeps_reading_is_not_disconnected(left: list[int], *, aborted: bool) -> None:
    config = uvicorn.Config(
        answer_at_once, http=BoundedConnection, lifespan="off", log_config=None, ws="none"
    )
    connection = BoundedConnection(config, ServerState(), {})
    transport = SlowlyTaken(left)
    connection.transport, connection.flow = transport, FlowControl(transport)
    connection.pause_writing()
    connection._check_reading()
    assert transport.aborted is aborted
    connection.resume_writing()
    assert connection._read_check is None
