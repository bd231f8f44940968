"""HTTP/1.1 as far as a client of Qdrant speaks it, and the ways in which it can go wrong."""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from tests.support.qdrant_faults import Fault, Faults, Seen

LOOPBACK = "127.0.0.1"
_LONGEST_HEAD = 1 << 16


class Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Response(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after: int | None = None

    def head(self) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"content-type: {self.content_type}",
            f"content-length: {len(self.body)}",
        ]
        if self.retry_after is not None:
            lines.append(f"retry-after: {self.retry_after}")
        return "\r\n".join([*lines, "", ""]).encode()


def held_port(port: int) -> socket.socket:
    """Take a loopback port without listening on it, so that nobody else does; 0 for any that is free.

    Connections to it are refused. Another socket can still listen on it, as both let the address be reused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        raise
    return holder


class HttpListener:
    """Hands requests to `answer`, spoilt by `faults`. Used on one event loop."""

    def __init__(
        self, answer: Callable[[Request], Response], faults: Faults, gone: Callable[[], None]
    ) -> None:
        self._answer = answer
        self._faults = faults
        self._gone = gone
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._connected, LOOPBACK, port, limit=_LONGEST_HEAD, reuse_address=True
            )

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def refuse(self) -> None:
        """Refuse connections, and break those there are."""
        self.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await _read(reader)) and await self._respond(request, reader, writer):
                pass
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            # The server stops, or the client left in the middle: there is nobody to tell.
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _respond(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer, or spoil the answer; true where the connection can go on."""
        fault = self._faults.meet(Seen(request.method, request.path, request.query, len(request.body)))
        if fault is not None:
            return await self._spoil(fault, request, reader, writer)
        return await _send(self._answer(request), request, writer)

    async def _spoil(
        self, fault: Fault, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        response = self._answer(request) if fault.done else None
        match fault.kind:
            case "slow":
                assert response is not None
                await asyncio.sleep(fault.seconds)
                return await _send(response, request, writer)
            case "status":
                error = {"status": {"error": f"Spoilt by a test: {fault.status}"}, "time": 0.0}
                spoilt = Response(fault.status, msgspec.json.encode(error), retry_after=fault.retry_after)
                return await _send(spoilt, request, writer)
            case "garbage":
                return await _send(Response(200, b"<html>Welcome</html>", "text/html"), request, writer)
            case "half" | "half_stall":
                assert response is not None
                writer.write(response.head() + response.body[: len(response.body) // 2])
                await writer.drain()
            case "gone":
                self._gone()
        if fault.kind in {"hang", "half_stall"}:
            while await reader.read(_LONGEST_HEAD):
                pass
        return False


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Read a request; None where the client has closed the connection instead."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, query, headers, body)


async def _send(response: Response, request: Request, writer: asyncio.StreamWriter) -> bool:
    writer.write(response.head() + response.body)
    await writer.drain()
    return request.headers.get("connection", "").lower() != "close"
