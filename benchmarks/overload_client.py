"""An open-loop HTTP client in a process of its own: it asks when it is time to, answered or not.

Reads a Storm as JSON on standard input and writes a Weather as JSON. Health is asked beside, on a connection
of its own. A request is timed from when it was due, so that what keeps the client from sending counts too.
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
    """What to ask of whom, how often a second, for how many seconds, and what to ask of its health."""

    host: str
    port: int
    paths: list[str]
    health: list[str]
    rate: float
    seconds: float
    seed: int


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: answers by status, and percentiles in milliseconds.

    `bare` are refusals without Retry-After, `broken` requests whose connection ended without an answer, and
    `unsent` those for which there was no connection left.
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


class _Tally:
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
    """Answers one request after the other; `idle` takes it back when it has an answer."""

    def __init__(self, tally: _Tally, idle: "list[_Connection]") -> None:
        self._tally = tally
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
        self._tally.answered(status, perf_counter() - due, has_retry_after=b"retry-after:" in headers)
        self._idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        if self._due is not None:
            self._tally.broken += 1


async def run(storm: Storm) -> Weather:
    """Ask for as long as the storm lasts, and wait a while for the last answers."""
    chance = random.Random(storm.seed)
    searches, health = _Tally(), _Tally()
    begin = perf_counter() + 0.1
    await asyncio.gather(
        _ask_at_random(storm, chance, searches, begin), _ask_for_health(storm, health, begin)
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


async def _ask_at_random(storm: Storm, chance: random.Random, tally: _Tally, begin: float) -> None:
    """Ask at the moments of a Poisson process, on whichever connection is idle."""
    loop = asyncio.get_running_loop()
    requests = [_request(storm, path) for path in storm.paths]
    idle: list[_Connection] = []
    opened = 0
    due = begin
    opening: set[asyncio.Task[None]] = set()

    async def open_and_ask(request: bytes, due: float) -> None:
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(tally, idle), storm.host, storm.port
            )
        except OSError:
            tally.broken += 1
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
            tally.unsent += 1
        due += chance.expovariate(storm.rate)
    await asyncio.sleep(3)


async def _ask_for_health(storm: Storm, tally: _Tally, begin: float) -> None:
    loop = asyncio.get_running_loop()
    idle: list[_Connection] = []
    _, connection = await loop.create_connection(lambda: _Connection(tally, idle), storm.host, storm.port)
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
