"""A closed-loop HTTP client in its own process: each connection sends its next request after the answer.

It shares the CPU with the server, so it does as little as possible: HTTP/1.1 by hand on uvloop, and a minimal
parser. Reads a Job as JSON from standard input and writes a Level as JSON.
"""

import asyncio
import random
import sys
from array import array
from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import cast

import msgspec
import numpy as np
import uvloop

_END_OF_HEADERS = b"\r\n\r\n"
_OK = b"HTTP/1.1 200"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The requests, the server and the duration. An answer without `marker` is an error."""

    host: str
    port: int
    paths: list[str]
    clients: int
    seconds: float
    warm_up: float
    seed: int
    marker: str


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The results. Times are in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float


class _Window(msgspec.Struct):
    """The period in which answers count, and their latencies."""

    start: float
    end: float
    latencies: "array[float]"


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], marker: bytes, window: _Window) -> None:
        self._requests = requests
        self._marker = marker
        self._window = window
        self._received = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(_END_OF_HEADERS)
        if end < 0:
            return
        headers = received[:end].lower()
        place = headers.find(b"content-length:")
        if place < 0 or not received.startswith(_OK):
            self._fail(received)
            return
        length = int(headers[place + 15 :].split(b"\r\n", 1)[0])
        if len(received) < end + 4 + length:
            return
        now = perf_counter()
        if self._marker not in received:
            self._fail(received)
            return
        self._received = b""
        if now > self._window.end:
            self._transport.close()
            return
        if self._sent >= self._window.start:
            self._window.latencies.append(now - self._sent)
        self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            if perf_counter() < self._window.end:
                self.done.set_exception(RuntimeError("the server closed the connection"))
            else:
                self.done.set_result(None)

    def _send(self) -> None:
        self._sent = perf_counter()
        self._transport.write(next(self._requests))

    def _fail(self, received: bytes) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"invalid answer: {received[:600]!r}"))
        self._transport.close()


async def run(job: Job) -> Level:
    """Send requests until the time is over. Raises RuntimeError on the first invalid answer."""
    loop = asyncio.get_running_loop()
    start = perf_counter() + job.warm_up
    window = _Window(start, start + job.seconds, array("d"))
    connections = []
    for place in range(job.clients):
        create = partial(_Connection, _shuffled(job, place), job.marker.encode(), window)
        _, connection = await loop.create_connection(create, job.host, job.port)
        connections.append(connection.done)
    await asyncio.gather(*connections)
    taken = np.asarray(window.latencies) * 1e3
    return Level(
        requests=len(taken),
        per_second=len(taken) / job.seconds,
        p50=float(np.percentile(taken, 50)),
        p99=float(np.percentile(taken, 99)),
    )


def _shuffled(job: Job, client: int) -> Iterator[bytes]:
    """Yield requests for all paths without end, in a random order that differs by client."""
    order = random.Random(f"{job.seed}-{client}")
    requests = [f"GET {path} HTTP/1.1\r\nHost: {job.host}\r\n\r\n".encode() for path in job.paths]
    while True:
        order.shuffle(requests)
        yield from requests


if __name__ == "__main__":
    level = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(level))
