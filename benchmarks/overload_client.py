"""An open-loop HTTP client in its own process: it sends requests on schedule, independent of the answers.

Reads a Storm as JSON from standard input and writes a Weather as JSON. The health routes are requested on a
separate connection. Latency is measured from the scheduled time, so that delays of the client count too.
"""

import asyncio
import random
import sys
from array import array
from collections import Counter
from time import perf_counter
from typing import cast

import msgspec
import numpy as np
import uvloop

_END_OF_HEADERS = b"\r\n\r\n"
_HEALTH_EVERY = 0.1
_MOST_CONNECTIONS = 900


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """The server, the paths, the health routes, the rate per second, and the duration in seconds."""

    host: str
    port: int
    paths: list[str]
    health: list[str]
    rate: float
    seconds: float
    seed: int


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """The results: answers by status, and percentiles in milliseconds.

    `bare`: refusals without Retry-After. `broken`: requests whose connection closed without an answer.
    `unsent`: requests for which no connection was available.
    """

    statuses: dict[int, int]
    bare: int
    broken: int
    unsent: int
    accepted_p50: float
    accepted_p99: float
    refused_p99: float
    health_statuses: dict[int, int]
    health_p99: float


class _Counts:
    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.accepted: array[float] = array("d")
        self.refused: array[float] = array("d")
        self.bare = self.broken = self.unsent = 0

    def answered(self, status: int, seconds: float, *, has_retry_after: bool) -> None:
        self.statuses[status] += 1
        (self.accepted if status == 200 else self.refused).append(seconds)
        self.bare += status in (429, 503) and not has_retry_after


class _Connection(asyncio.Protocol):
    """Sends one request at a time. After the answer, it adds itself to `idle`."""

    def __init__(self, counts: _Counts, idle: "list[_Connection]") -> None:
        self._counts = counts
        self._idle = idle
        self._received = b""
        self._due: float | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(_END_OF_HEADERS)
        if end < 0:
            return
        headers = received[:end].lower()
        place = headers.find(b"content-length:")
        length = int(headers[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(received) < end + 4 + length or self._due is None:
            return
        due, self._due, self._received = self._due, None, b""
        status = int(received[9:12])
        self._counts.answered(status, perf_counter() - due, has_retry_after=b"retry-after:" in headers)
        self._idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        if self._due is not None:
            self._counts.broken += 1


async def run(storm: Storm) -> Weather:
    """Send requests for the duration of the storm, and wait for the last answers."""
    chance = random.Random(storm.seed)
    searches, health = _Counts(), _Counts()
    begin = perf_counter() + 0.1
    await asyncio.gather(
        _request_at_random(storm, chance, searches, begin), _request_health(storm, health, begin)
    )
    return Weather(
        statuses=dict(searches.statuses),
        bare=searches.bare + health.bare,
        broken=searches.broken + health.broken,
        unsent=searches.unsent,
        accepted_p50=_percentile(searches.accepted, 50),
        accepted_p99=_percentile(searches.accepted, 99),
        refused_p99=_percentile(searches.refused, 99),
        health_statuses=dict(health.statuses),
        health_p99=_percentile(health.accepted, 99),
    )


async def _request_at_random(storm: Storm, chance: random.Random, counts: _Counts, begin: float) -> None:
    """Send requests as a Poisson process, on any idle connection."""
    loop = asyncio.get_running_loop()
    requests = [_request(storm, path) for path in storm.paths]
    idle: list[_Connection] = []
    opened = 0
    due = begin
    opening: set[asyncio.Task[None]] = set()

    async def open_and_ask(request: bytes, due: float) -> None:
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(counts, idle), storm.host, storm.port
            )
        except OSError:
            counts.broken += 1
            return
        connection.ask(request, due)

    while due < begin + storm.seconds:
        await asyncio.sleep(max(due - perf_counter(), 0))
        request = chance.choice(requests)
        while idle and not idle[-1].is_open:
            idle.pop()
            opened -= 1
        if idle:
            idle.pop().ask(request, due)
        elif opened < _MOST_CONNECTIONS:
            opened += 1
            task = asyncio.create_task(open_and_ask(request, due))
            opening.add(task)
            task.add_done_callback(opening.discard)
        else:
            counts.unsent += 1
        due += chance.expovariate(storm.rate)
    await asyncio.sleep(3)


async def _request_health(storm: Storm, counts: _Counts, begin: float) -> None:
    loop = asyncio.get_running_loop()
    idle: list[_Connection] = []
    _, connection = await loop.create_connection(lambda: _Connection(counts, idle), storm.host, storm.port)
    idle.append(connection)
    for turn in range(int(storm.seconds / _HEALTH_EVERY)):
        due = begin + turn * _HEALTH_EVERY
        await asyncio.sleep(max(due - perf_counter(), 0))
        while not idle:  # noqa: ASYNC110 - the wait is part of what is measured.
            await asyncio.sleep(0.001)
        idle.pop().ask(_request(storm, storm.health[turn % len(storm.health)]), due)


def _request(storm: Storm, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {storm.host}\r\n\r\n".encode()


def _percentile(seconds: "array[float]", percentile: float) -> float:
    return float(np.percentile(np.asarray(seconds), percentile)) * 1e3 if len(seconds) else 0.0


if __name__ == "__main__":
    weather = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Storm)))
    sys.stdout.buffer.write(msgspec.json.encode(weather))
