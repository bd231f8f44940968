"""Four times the maximum throughput: latency of the accepted searches, and the other answers."""

from urllib.parse import urlencode

from benchmarks.built_indexes import built_index
from benchmarks.client_process import run_client
from benchmarks.conditions import Options, cores
from benchmarks.datasets import labelled_queries
from benchmarks.figures import Figure, at_least, at_most, without_target
from benchmarks.load import ask
from benchmarks.overload_client import Storm, Weather
from benchmarks.process_memory import memory_of
from benchmarks.servers import Server, our_api

STORM_SECONDS = 60.0
TIMES = 4
HEALTH = ["/livez", "/readyz", "/startupz", "/health"]
_AT_CAPACITY = 8
"""Enough clients for the maximum throughput on two cores."""


def measure(options: Options) -> list[Figure]:
    queries = [query.text for query in labelled_queries("tutorial")]
    figures = []
    for path in ("/search", "/v1/search"):
        with our_api(built_index("tutorial", everything=options.everything)) as server:
            figures += _measure(server, path, queries, options)
    return figures


def _measure(server: Server, path: str, queries: list[str], options: Options) -> list[Figure]:
    unloaded = ask(server, path, queries, 1, options.seconds, seed=1)
    capacity = ask(server, path, queries, _AT_CAPACITY, options.seconds, seed=2).per_second
    before = memory_of(server.pid).resident
    storm = Storm(
        host=server.host,
        port=server.port,
        paths=[f"{path}?{urlencode({'query': text})}" for text in queries],
        health=HEALTH,
        rate=TIMES * capacity,
        seconds=STORM_SECONDS,
        seed=3,
    )
    weather = run_client("benchmarks.overload_client", storm, Weather)
    grown = memory_of(server.pid).resident / before
    refused = sum(count for status, count in weather.statuses.items() if status != 200)
    other = {status for status in weather.statuses if status not in (200, 429, 503)}
    conditions = (
        f"{cores()} cores shared with the client, open loop at {storm.rate:.0f}/s for {STORM_SECONDS:g} s, "
        f"{TIMES} times the {capacity:.0f}/s of {_AT_CAPACITY} clients; unloaded p99 {unloaded.p99:.1f} ms"
    )
    accepted = weather.statuses.get(200, 0)
    lost = weather.bare + weather.broken + weather.unsent + sum(weather.statuses[status] for status in other)
    unwell = sum(count for status, count in weather.health_statuses.items() if status != 200)
    ratio = weather.accepted_p99 / unloaded.p99
    return [
        at_most(
            f"{path}, overloaded: p99 of accepted searches compared with unloaded",
            ratio,
            3,
            shown=f"{ratio:.1f} times: p50 {weather.accepted_p50:.1f}, p99 {weather.accepted_p99:.1f} ms",
            conditions=conditions,
        ),
        without_target(
            f"{path}, overloaded: accepted and refused",
            accepted,
            shown=f"{accepted / STORM_SECONDS:.0f}/s and {refused / STORM_SECONDS:.0f}/s, "
            f"p99 of refusals {weather.refused_p99:.1f} ms",
            conditions=conditions,
        ),
        at_most(
            f"{path}, overloaded: errors, refusals without Retry-After, lost requests",
            lost,
            0,
            shown=f"{lost} ({weather.statuses})",
            conditions=conditions,
        ),
        at_most(
            f"{path}, overloaded: memory",
            grown,
            1.1,
            shown=f"{grown:.2f} times {before:.0f} MB",
            conditions=conditions,
        ),
        at_most(
            f"{path}, overloaded: p99 of health routes",
            weather.health_p99,
            100,
            shown=f"{weather.health_p99:.1f} ms",
            asked="< 100 ms",
            conditions=conditions,
        ),
        at_least(
            f"{path}, overloaded: health routes that pass",
            -unwell,
            0,
            shown=f"all but {unwell} of {sum(weather.health_statuses.values())}",
            asked="all",
            conditions=conditions,
        ),
    ]
