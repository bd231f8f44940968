"""Clients of a service that stops: the answers they got, and the requests that were lost.

HTTP by hand on sockets of their own: a client library would try again in silence.
"""

import asyncio
import contextlib
import random
import select
import time
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

_WAITED = 60.0
_END_OF_HEAD = b"\r\n\r\n"


class Said(msgspec.Struct, frozen=True):
    """A complete answer, with the monotonic times of its request and of its arrival."""

    asked: float
    given: float
    path: str
    status: int
    body: bytes
    closes: bool
    """Whether the service asked the client to close the connection."""


class Lost(msgspec.Struct, frozen=True):
    """A request on an open connection that got no complete answer."""

    asked: float
    ended: float
    kind: str
    why: str


class Crowd:
    """Clients that send requests, for `paths` in random order, until the port is closed."""

    def __init__(self, port: int, paths: Sequence[str], *, seed: int) -> None:
        self._port = port
        self._paths = paths
        self._chance = random.Random(seed)
        self.answers: list[Said] = []
        self.lost: list[Lost] = []

    async def ask(self, *, steady: int, idle: int, anew: int) -> None:
        """Send requests without pause, with pauses between them, and with a new connection for each."""
        clients = [
            *(self._stay(0.0, "steady") for _ in range(steady)),
            *(self._stay(1.0, "idle") for _ in range(idle)),
            *(self._connect_anew() for _ in range(anew)),
        ]
        await asyncio.gather(*clients)

    async def watch(self, path: str, every: float) -> None:
        """Request one path repeatedly, each time on a new connection, as a health probe does."""
        while (connection := await Connection.to(self._port)) is not None:
            await self._ask_on(connection, path, "probe")
            connection.close()
            await asyncio.sleep(every)

    async def _stay(self, rest: float, kind: str) -> None:
        while (connection := await Connection.to(self._port)) is not None:
            stays = True
            while stays and not connection.was_closed():
                stays = await self._ask_on(connection, self._chance.choice(self._paths), kind)
                await asyncio.sleep(rest * self._chance.random())
            connection.close()

    async def _connect_anew(self) -> None:
        while (connection := await Connection.to(self._port)) is not None:
            await self._ask_on(connection, self._chance.choice(self._paths), "anew")
            connection.close()

    async def _ask_on(self, connection: "Connection", path: str, kind: str) -> bool:
        """Send one request; return whether the connection can be used again."""
        asked = time.monotonic()
        try:
            async with asyncio.timeout(_WAITED):
                said = await connection.ask(path)
        except (OSError, EOFError, TimeoutError) as error:
            self.lost.append(Lost(asked, time.monotonic(), kind, repr(error)))
            return False
        self.answers.append(said)
        return not said.closes


class Connection:
    """One connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> "Connection | None":
        """Connect; return None if the port refuses connections, as it does once the service stops."""
        try:
            return cls(*await asyncio.open_connection("127.0.0.1", port))
        except ConnectionRefusedError:
            return None

    def was_closed(self) -> bool:
        """Return whether the service has closed the connection, checked right before a request."""
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket").fileno(), select.POLLIN)
        return self._reader.at_eof() or bool(poll.poll(0))

    async def ask(self, path: str) -> Said:
        """Send a request and read the answer. Raises OSError or EOFError if it is incomplete."""
        asked = time.monotonic()
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = (await self._reader.readuntil(_END_OF_HEAD)).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        closes = b"connection: close" in head
        return Said(asked, time.monotonic(), path, int(head[9:12]), body, closes)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()


def searches(queries: Sequence[str]) -> list[str]:
    """Return the paths of these searches, on both routes."""
    return [f"{path}?{urlencode({'query': text})}" for path in ("/search", "/v1/search") for text in queries]
