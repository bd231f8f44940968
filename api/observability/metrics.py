"""Prometheus metrics of requests, searches and the process.

Labels are methods, route templates, statuses and our own words. No label contains a path, a query or a video
id.
"""

import asyncio
import platform
from collections.abc import Iterable
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api import __version__
from api.observability.index_metrics import Facts, FactsCollector
from retrieval.search.observer import SearchKind, Stage

METRICS_TEXT = CONTENT_TYPE_PLAIN_0_0_4
"""The media type of `Metrics.exposition`."""

ShedReason = Literal["overloaded", "rate-limited"]
SHED_REASONS: tuple[ShedReason, ...] = ("overloaded", "rate-limited")

UNREAD_CODES = ("malformed-request", "head-too-large", "head-too-slow")
"""The problems that a connection reports before the app receives a request."""

LAG_PERIOD_SECONDS = 0.25

_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_RESULTS = (0, 1, 2, 3, 5, 10, 20, 50)

_STAGES: tuple[Stage, ...] = ("encode", "vector", "lexical", "fuse")
_KINDS: tuple[SearchKind, ...] = ("hybrid", "semantic", "lexical", "classic")
_ROUTE = ("method", "route")
_RESPONSE = (*_ROUTE, "status")


class Metrics:
    """The metrics of one app, in a registry of its own. One event loop owns it."""

    def __init__(self) -> None:
        # This is global to the client library. The `_created` series repeat what Prometheus knows.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.requests = RequestMetrics(self._registry)
        self.searches = SearchMetrics(self._registry)
        self._lag = Histogram(
            "vidsearch_event_loop_lag_seconds",
            "How late the event loop resumed a task.",
            registry=self._registry,
            buckets=_LAG_SECONDS,
        )
        build = Info("vidsearch_build", "The version of the service and of Python.", registry=self._registry)
        build.info({"version": __version__, "python_version": platform.python_version()})
        self._facts = FactsCollector()
        self._registry.register(self._facts)
        ProcessCollector(registry=self._registry)

    async def watch_lag(self, period_seconds: float = LAG_PERIOD_SECONDS) -> None:
        """Measure the lag of the event loop until cancelled."""
        while True:
            started = perf_counter()
            await asyncio.sleep(period_seconds)
            self._lag.observe(max(0.0, perf_counter() - started - period_seconds))

    def exposition(self, facts: Facts) -> bytes:
        """Write all metrics as METRICS_TEXT."""
        self._facts.facts = facts
        return generate_latest(self._registry)


class RequestMetrics:
    """The metrics of HTTP requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "vidsearch_http_requests", "Requests answered.", _RESPONSE, registry=registry
        )
        self._durations = Histogram(
            "vidsearch_http_request_duration_seconds",
            "The duration of requests, from their arrival to the last byte of the response.",
            _RESPONSE,
            registry=registry,
            buckets=_REQUEST_SECONDS,
        )
        self._in_progress = Gauge(
            "vidsearch_http_requests_in_progress", "Requests in flight.", _ROUTE, registry=registry
        )
        shed = Counter(
            "vidsearch_http_requests_shed",
            "Requests refused to protect the others: too many at once, or too many of one caller.",
            ["reason"],
            registry=registry,
        )
        unread = Counter(
            "vidsearch_http_requests_unread",
            "Requests refused before they were read: not HTTP, or a head too large or too slow.",
            ["code"],
            registry=registry,
        )
        # Created now, so that the series start at 0, which `rate()` needs, and cost no lookup per request.
        self._shed = {reason: shed.labels(reason) for reason in SHED_REASONS}
        self._unread = {code: unread.labels(code) for code in UNREAD_CODES}
        self._responses: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def create_series(self, requests: Iterable[tuple[str, str]]) -> None:
        """Create the series of these (method, template) at 0, so that alerts count the first failures."""
        for request in requests:
            self._durations.labels(*request, "200")
            for status in ("200", "500", "503"):
                self._requests.labels(*request, status)

    def in_progress(self, method: str, route: str) -> AbstractContextManager[None]:
        """Count a request as in flight during the block."""
        return self._in_progress.labels(method, route).track_inprogress()

    def completed(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a completed request. `route` is a template, and `method` one of a few."""
        key = (method, route, status)
        if key not in self._responses:
            self._responses[key] = self._requests.labels(*key), self._durations.labels(*key)
        requests, durations = self._responses[key]
        requests.inc()
        durations.observe(seconds)

    def shed(self, reason: ShedReason) -> None:
        """Count a request that was refused to protect the others."""
        self._shed[reason].inc()

    def unread(self, code: str) -> None:
        """Count a request that was refused before it was read, by a code of UNREAD_CODES."""
        self._unread[code].inc()


class SearchMetrics:
    """The metrics of searches: a SearchObserver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        stages = Histogram(
            "vidsearch_search_stage_duration_seconds",
            "The duration of a stage of a search, each time the search enters it.",
            ["stage"],
            registry=registry,
            buckets=_STAGE_SECONDS,
        )
        results = Histogram(
            "vidsearch_search_results",
            "Videos on the first page of a search.",
            ["kind"],
            registry=registry,
            buckets=_RESULTS,
        )
        none = Counter(
            "vidsearch_searches_without_results", "Searches that found nothing.", ["kind"], registry=registry
        )
        self._degraded = Counter(
            "vidsearch_searches_degraded",
            "Hybrid searches that used words alone, because the query was not embedded in time.",
            registry=registry,
        )
        lookups = Counter(
            "vidsearch_cache_lookups", "Lookups in the result cache.", ["result"], registry=registry
        )
        self._stages = {stage: stages.labels(stage) for stage in _STAGES}
        self._results = {kind: results.labels(kind) for kind in _KINDS}
        self._none = {kind: none.labels(kind) for kind in _KINDS}
        self._hits, self._misses = lookups.labels("hit"), lookups.labels("miss")

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Time one stage of a search."""
        return _Timer(self._stages[stage])

    def looked_up(self, *, hit: bool) -> None:
        """Count a lookup in the result cache."""
        (self._hits if hit else self._misses).inc()

    def found(self, kind: SearchKind, videos: int) -> None:
        """Count the results of a search."""
        self._results[kind].observe(videos)
        if not videos:
            self._none[kind].inc()

    def degraded(self) -> None:
        """Count a search that used words alone."""
        self._degraded.inc()


class _Timer:
    """Times one block: like `Histogram.time`, at half its cost."""

    __slots__ = ("_durations", "_started")

    def __init__(self, durations: Histogram) -> None:
        self._durations = durations

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._durations.observe(perf_counter() - self._started)
