"""An outage of the Qdrant server: the time until a search gets a 503, and until searches work again."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import httpx

from benchmarks.conditions import ROOT, Options
from benchmarks.figures import Figure, at_most, median_and_range
from benchmarks.servers import Server, api_beside_qdrant, qdrant_environment
from ingest.sync.job import SAMPLE_CATALOGUE
from tests.support.qdrant_faults import BROKEN_RESPONSES, HANG, LOST, answering, broken_socket
from tests.support.qdrant_server import QdrantServer

REFUSED_WITHIN = 1.2
RECOVERED_WITHIN = 5.0

_REPEATS = 3
_OUTAGE_SECONDS = 2.0
_LONGEST = 60.0

_REFUSED = "connection refused"
_GRPC_FAULTS = {"hangs": HANG, "500": answering(500), "401": answering(401), "response lost": LOST}
_FAULTS = {"gRPC": [_REFUSED, *_GRPC_FAULTS], "REST": [*BROKEN_RESPONSES]}


def measure(_: Options) -> list[Figure]:
    """Inject each fault of each protocol into the emulation of a Qdrant server that the tests use.

    The faults of REST start while gRPC is refused. Each outage ends when gRPC works again.
    """
    figures = []
    with QdrantServer() as qdrant:
        _fill(qdrant)
        for protocol, names in _FAULTS.items():
            with api_beside_qdrant(qdrant) as api:
                tries = [_outage(qdrant, api, protocol, name) for name in names for _ in range(_REPEATS)]
            refused, recovered = zip(*tries, strict=True)
            conditions = (
                f"{len(names)} faults, {_REPEATS} times each, of {_OUTAGE_SECONDS:g} s; the sample "
                "catalogue on the tests' emulation of a Qdrant server; requests until one is answered"
            )
            figures += [
                at_most(
                    f"{protocol}: maximum time until a 503 during an outage",
                    max(refused),
                    REFUSED_WITHIN,
                    shown=f"{max(refused):.2f} s, median {median_and_range(refused, '.2f')}",
                    conditions=conditions,
                ),
                at_most(
                    f"{protocol}: maximum time until an answer after an outage",
                    max(recovered),
                    RECOVERED_WITHIN,
                    shown=f"{max(recovered):.2f} s, median {median_and_range(recovered, '.2f')}",
                    conditions=conditions,
                ),
            ]
    return figures


def _fill(qdrant: QdrantServer) -> None:
    command = [sys.executable, "-m", "ingest", "sync", str(SAMPLE_CATALOGUE)]
    environment = qdrant_environment(qdrant)
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def _outage(qdrant: QdrantServer, api: Server, protocol: str, name: str) -> tuple[float, float]:
    """Return the seconds until a search was refused, and from the end of the outage until an answer."""
    with _failing(qdrant, api, protocol, name):
        began = perf_counter()
        status = _search(api)
        refused = perf_counter() - began
        if status != httpx.codes.SERVICE_UNAVAILABLE:
            raise RuntimeError(f"{protocol}, {name}: the search was answered with {status}")
        time.sleep(_OUTAGE_SECONDS)
    if protocol == "REST":
        _search(api)  # No server listens now, so the API closes its REST client.
    qdrant.listen()
    began = perf_counter()
    while _search(api) != httpx.codes.OK:
        if perf_counter() - began > _LONGEST:
            raise RuntimeError(f"{protocol}, {name}: no search was answered within {_LONGEST:g} s of its end")
    recovered = perf_counter() - began
    print(f"  {protocol}, {name}: refused after {refused:.2f} s, answered again after {recovered:.2f} s")
    return refused, recovered


@contextmanager
def _failing(qdrant: QdrantServer, api: Server, protocol: str, name: str) -> Iterator[None]:
    if protocol == "REST":
        qdrant.refuse()
        _search(api)
        with broken_socket(qdrant.port, BROKEN_RESPONSES[name]):
            yield
    elif name == _REFUSED:
        qdrant.refuse()
        yield
    else:
        with qdrant.faults.on(_GRPC_FAULTS[name]):
            yield


_numbers = itertools.count()


def _search(api: Server) -> int:
    query = f"rings of Saturn {next(_numbers)}"
    return httpx.get(
        f"http://{api.host}:{api.port}/v1/search", params={"query": query}, timeout=_LONGEST
    ).status_code
