"""A Qdrant server that fails under the API: how long until a search is refused, and until one is answered."""

import itertools
import subprocess
import sys
import time
from time import perf_counter

import httpx

from benchmarks.conditions import ROOT, Options
from benchmarks.figures import Figure, at_most, median_and_range
from benchmarks.servers import Server, api_beside_qdrant, qdrant_environment
from ingest.model.proof_texts import SAMPLE_CATALOGUE
from tests.support.qdrant_faults import GARBAGE, HALF, HALF_STALL, HANG, answering
from tests.support.qdrant_server import QdrantServer

REFUSED_WITHIN = 1.2
RECOVERED_WITHIN = 5.0

_REPEATS = 3
_OUTAGE_SECONDS = 2.0
_LONGEST = 60.0

_FAULTS = {
    "connection refused": None,
    "hangs": HANG,
    "500": answering(500),
    "401": answering(401),
    "half a response": HALF,
    "half a response, and silence": HALF_STALL,
    "no JSON": GARBAGE,
}


def measure(_: Options) -> list[Figure]:
    """Try each fault on each wire, against the stand-in for a server that the tests use."""
    figures = []
    with QdrantServer(grpc=True) as qdrant:
        _fill(qdrant)
        for wire in ("REST", "gRPC"):
            with api_beside_qdrant(qdrant, use_grpc=wire == "gRPC") as api:
                tries = [_outage(qdrant, api, name) for name in _FAULTS for _ in range(_REPEATS)]
            refused, recovered = zip(*tries, strict=True)
            conditions = (
                f"{len(_FAULTS)} faults, {_REPEATS} times each, of {_OUTAGE_SECONDS:g} s; the sample "
                "catalogue on the tests' stand-in for a Qdrant server; asked again and again until answered"
            )
            figures += [
                at_most(
                    f"{wire}: a search during an outage is a 503 after, at most",
                    max(refused),
                    REFUSED_WITHIN,
                    shown=f"{max(refused):.2f} s, median {median_and_range(refused, '.2f')}",
                    conditions=conditions,
                ),
                at_most(
                    f"{wire}: a search is answered after the outage's end, at most",
                    max(recovered),
                    RECOVERED_WITHIN,
                    shown=f"{max(recovered):.2f} s, median {median_and_range(recovered, '.2f')}",
                    conditions=conditions,
                ),
            ]
    return figures


def _fill(qdrant: QdrantServer) -> None:
    command = [sys.executable, "-m", "ingest", "sync", str(SAMPLE_CATALOGUE)]
    environment = qdrant_environment(qdrant, use_grpc=True)
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def _outage(qdrant: QdrantServer, api: Server, name: str) -> tuple[float, float]:
    """Say how long one search took to be refused, and how long after the end one was answered, in seconds."""
    fault = _FAULTS[name]
    if fault is None:
        qdrant.refuse()
    else:
        qdrant.faults.start(fault)
    began = perf_counter()
    status = _ask(api)
    refused = perf_counter() - began
    if status != httpx.codes.SERVICE_UNAVAILABLE:
        raise RuntimeError(f"{name}: the search was answered with {status}")
    time.sleep(_OUTAGE_SECONDS)
    if fault is None:
        qdrant.listen()
    else:
        qdrant.faults.clear()
    began = perf_counter()
    while _ask(api) != httpx.codes.OK:
        if perf_counter() - began > _LONGEST:
            raise RuntimeError(f"{name}: no search was answered within {_LONGEST:g} s of its end")
    recovered = perf_counter() - began
    print(f"  {name}: refused after {refused:.2f} s, answered again after {recovered:.2f} s", flush=True)
    return refused, recovered


_numbers = itertools.count()


def _ask(api: Server) -> int:
    query = f"rings of Saturn {next(_numbers)}"
    return httpx.get(
        f"http://{api.host}:{api.port}/v1/search", params={"query": query}, timeout=_LONGEST
    ).status_code
