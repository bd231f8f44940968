"""Throughput and latency of our API, compared in the same run with the tutorial's rule on FastAPI."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from statistics import median
from urllib.parse import urlencode

from benchmarks.built_indexes import built_index
from benchmarks.client_process import run_client
from benchmarks.conditions import Options, cores
from benchmarks.datasets import labelled_queries
from benchmarks.figures import Figure, at_least, at_most, median_and_range, without_target
from benchmarks.load_client import Job, Level
from benchmarks.process_memory import Memory, memory_of
from benchmarks.servers import Server, our_api, tutorial_service

CLIENTS = (1, 8, 32)
WARM_UP = 0.7
TUTORIAL, CLASSIC, SEARCH = "tutorial /search", "our /search", "our /v1/search"

_Levels = dict[tuple[str, int], list[Level]]


def measure(options: Options) -> list[Figure]:
    queries = [query.text for query in labelled_queries("tutorial")]
    # The tutorial's service queues all requests. Here ours does too, instead of shedding load.
    index = built_index("tutorial", everything=options.everything)
    ours = partial(our_api, index, MAX_SEARCHES=str(max(CLIENTS)))
    levels: _Levels = defaultdict(list)
    memories: dict[str, list[Memory]] = defaultdict(list)
    services: list[tuple[str, Callable[[], AbstractContextManager[Server]], dict[str, str]]] = [
        ("ours", ours, {CLASSIC: "/search", SEARCH: "/v1/search"}),
        ("the tutorial's", tutorial_service, {TUTORIAL: "/search"}),
    ]
    for round_ in range(options.rounds):
        print(f"  round {round_ + 1} of {options.rounds}", flush=True)
        for name, start, routes in services:
            with start() as server:
                for route, path in routes.items():
                    for clients in CLIENTS:
                        level = ask(server, path, queries, clients, options.seconds, seed=round_)
                        levels[route, clients].append(level)
                        print(f"    {_line(route, clients, level)}", flush=True)
                memories[name].append(memory_of(server.pid))
        services.reverse()
    return _report(levels, memories, options)


def ask(server: Server, path: str, queries: list[str], clients: int, seconds: float, *, seed: int) -> Level:
    job = Job(
        host=server.host,
        port=server.port,
        paths=[f"{path}?{urlencode({'query': text})}" for text in queries],
        clients=clients,
        seconds=seconds,
        warm_up=WARM_UP,
        seed=seed,
        marker='"video_id":"' if path == "/v1/search" else '"video_id":["',
    )
    return run_client("benchmarks.load_client", job, Level)


def _line(route: str, clients: int, level: Level) -> str:
    return (
        f"{route:17} {_counted(clients):>10}: {level.per_second:7.1f} requests/s, "
        f"p50 {level.p50:6.2f} ms, p99 {level.p99:6.2f} ms"
    )


def _counted(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def _report(levels: _Levels, memories: dict[str, list[Memory]], options: Options) -> list[Figure]:
    conditions = (
        f"{cores()} cores shared with the client, 64 queries shuffled, keep-alive, closed loop, no cache, "
        f"every answer checked; medians of {options.rounds} alternating rounds of {options.seconds:g} s"
    )
    medians = {
        key: Level(
            requests=sum(level.requests for level in runs),
            per_second=median(level.per_second for level in runs),
            p50=median(level.p50 for level in runs),
            p99=median(level.p99 for level in runs),
        )
        for key, runs in levels.items()
    }
    print("  medians")
    for (route, clients), level in sorted(medians.items(), key=lambda item: item[0][1]):
        print(f"    {_line(route, clients, level)}")
    figures = [
        without_target(
            f"{route}, {_counted(clients)}",
            level.per_second,
            shown=f"{level.per_second:.0f} requests/s, p50 {level.p50:.1f} ms, p99 {level.p99:.1f} ms",
            conditions=conditions,
        )
        for (route, clients), level in medians.items()
    ]
    for route in (CLASSIC, SEARCH):
        for clients in CLIENTS:
            ratio = medians[route, clients].per_second / medians[TUTORIAL, clients].per_second
            what, shown = (
                f"{route} compared with the tutorial, {_counted(clients)}",
                f"{ratio:.1f} times the requests/s",
            )
            if clients == 8:
                asked = ">= 8 (goal 12)"
                figures.append(at_least(what, ratio, 8, shown=shown, asked=asked, conditions=conditions))
            else:
                figures.append(without_target(what, ratio, shown=shown, conditions=conditions))
        share = medians[route, 1].p50 / medians[TUTORIAL, 1].p50
        what = f"{route} compared with the tutorial, p50 of 1 client"
        figures.append(
            at_most(
                what, share, 0.25, shown=f"{share:.2f} times its p50", asked="<= 1/4", conditions=conditions
            )
        )
    for name, found in memories.items():
        resident = [memory.resident for memory in found]
        shown = (
            f"{median_and_range(resident, '.0f')} MB, private {median(m.private for m in found):.0f}, "
            f"peak {max(m.peak for m in found):.0f}"
        )
        what, most = f"resident memory after the load, {name}", max(resident)
        if name == "ours":
            figures.append(at_most(what, most, 350, shown=shown, asked="<= 350 MB", conditions=conditions))
        else:
            figures.append(without_target(what, most, shown=shown, conditions=conditions))
    return figures
