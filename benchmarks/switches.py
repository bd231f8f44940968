"""Latency of searches during a hundred switches of the index under constant load."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.built_indexes import built_index
from benchmarks.conditions import Options, cores
from benchmarks.datasets import labelled_queries
from benchmarks.figures import Figure, at_most, without_target
from benchmarks.load import ask
from benchmarks.load_client import Level
from benchmarks.servers import Server, our_api
from retrieval.edge.generations import Generations
from retrieval.index.live_index import POLL_SECONDS
from tests.support.processes import copied

SWITCHES = 100
CLIENTS = (1, 8)
_BETWEEN = POLL_SECONDS + 0.1
"""Seconds between switches: more than the interval in which the service polls the pointer."""

_SECONDS = SWITCHES * _BETWEEN
_MOST = 2.0


def measure(options: Options) -> list[Figure]:
    queries = [query.text for query in labelled_queries("tutorial")]
    index_dir = built_index("tutorial", everything=options.everything)
    figures = []
    for clients in CLIENTS:
        with _two_versions(index_dir) as copy, our_api(copy) as server:
            # Without switches before and after, so that other load on the machine affects both.
            before = _ask(server, queries, clients, _SECONDS / 2, seed=1)
            with _switching(Generations(copy)) as done:
                meanwhile = _ask(server, queries, clients, _SECONDS, seed=2)
            after = _ask(server, queries, clients, _SECONDS / 2, seed=3)
        figures += _report(clients, (before, meanwhile, after), len(done))
    return figures


def _ask(server: Server, queries: list[str], clients: int, seconds: float, *, seed: int) -> Level:
    """Send searches. Raises RuntimeError on an invalid answer or a closed connection."""
    return ask(server, "/v1/search", queries, clients, seconds, seed=seed)


@contextmanager
def _two_versions(index_dir: Path) -> Iterator[Path]:
    """Copy an index, and publish a second version in the copy."""
    with tempfile.TemporaryDirectory() as folder:
        generations = Generations(copied(index_dir, Path(folder) / "index"))
        pointer = generations.pointer()
        if pointer is None:
            raise RuntimeError(f"{index_dir} has no live version")
        built = generations.start(copy_of=pointer.live)
        manifest = generations.manifest(pointer.live)
        generations.publish(built, msgspec.structs.replace(manifest, index_version=built.name))
        yield generations.index_dir


@contextmanager
def _switching(generations: Generations) -> Iterator[list[str]]:
    """Switch repeatedly until the block ends. Yields the list of versions that became live."""
    stop = threading.Event()
    live: list[str] = []

    def switch() -> None:
        while not stop.wait(_BETWEEN):
            live.append(generations.roll_back().live)

    switching = threading.Thread(target=switch)
    switching.start()
    try:
        yield live
    finally:
        stop.set()
        switching.join()


def _report(clients: int, levels: tuple[Level, Level, Level], switches: int) -> list[Figure]:
    before, meanwhile, after = levels
    steady = (before.p99 + after.p99) / 2
    ratio = meanwhile.p99 / steady
    name = f"{switches} switches of the index, {clients} client{'s' if clients > 1 else ''}"
    conditions = (
        f"{cores()} cores shared with the client, a switch every {_BETWEEN:g} s, closed loop on /v1/search, "
        f"no cache, every answer checked; p99 {before.p99:.1f} ms before and {after.p99:.1f} ms after"
    )
    return [
        at_most(
            f"{name}: p99 compared with constant load without switches",
            ratio,
            _MOST,
            shown=f"{ratio:.2f} times: {meanwhile.p99:.1f} and {steady:.1f} ms",
            asked=f"<= {_MOST:g} times",
            conditions=conditions,
        ),
        without_target(
            f"{name}: answers meanwhile, none of them an error",
            meanwhile.requests,
            shown=f"{meanwhile.requests} ({meanwhile.per_second:.0f}/s; {before.per_second:.0f}/s before)",
            conditions=conditions,
        ),
    ]
