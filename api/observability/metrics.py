"""What is measured, in Prometheus's terms: the one place that knows its client.

Labels are methods, route templates, statuses and words of ours. Nothing that a caller wrote is ever one: no
path, no query, no id of a video.
"""

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Literal

import msgspec
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
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api import __version__
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run, RunOutcome, last_confirmed
from retrieval.search.observer import SearchKind, Stage

METRICS_TEXT = CONTENT_TYPE_PLAIN_0_0_4
"""The media type of `Metrics.exposition`."""

ShedReason = Literal["overloaded", "rate-limited"]
SHED_REASONS: tuple[ShedReason, ...] = ("overloaded", "rate-limited")

UNREAD_CODES = ("malformed-request", "head-too-large", "head-too-slow")
"""The problems that a connection answers with before the app hears of a request."""

UNFINISHED = "unfinished"
"""The outcome of a run that is at work, or was killed."""

PROMISED = (
    ("GET", "/search"),
    ("GET", "/v1/search"),
    ("POST", "/v1/search/batch"),
    ("GET", "/v1/videos"),
    ("GET", "/v1/videos/{video_id}"),
    ("GET", "/v1/videos/{video_id}/search"),
    ("GET", "/v1/videos/{video_id}/similar"),
)
"""The requests of which the alerts of deploy/observability hold a promise."""

_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_RESULTS = (0, 1, 2, 3, 5, 10, 20, 50)

_STAGES: tuple[Stage, ...] = ("encode", "vector", "lexical", "fuse")
_KINDS: tuple[SearchKind, ...] = ("hybrid", "semantic", "lexical", "classic")
_ROUTE = ("method", "route")
_ANSWER = (*_ROUTE, "status")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for when somebody looks, and not kept up to date in between.

    None is what is not known: no index, nobody has looked whether searches are answered. `runs` are those
    that the log tells of, the last one first.
    """

    manifest: Manifest | None = None
    runs: Sequence[Run] = ()
    is_ready: bool | None = None


class Metrics:
    """The figures of one app. It is a SearchObserver; one event loop owns it."""

    def __init__(self) -> None:
        """Begin at nothing, in a registry of its own."""
        # A setting of the whole client's, and the same for every app: when a series began is told twice over.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter("vidsearch_http_requests", "Requests answered.", _ANSWER, registry=registry)
        self._durations = Histogram(
            "vidsearch_http_request_duration_seconds",
            "How long requests took, from their arrival to the last byte.",
            _ANSWER,
            registry=registry,
            buckets=_REQUEST_SECONDS,
        )
        self._in_progress = Gauge(
            "vidsearch_http_requests_in_progress", "Requests under way.", _ROUTE, registry=registry
        )
        shed = Counter(
            "vidsearch_http_requests_shed",
            "Requests refused to protect the others: too many at once, or too many of one caller.",
            ["reason"],
            registry=registry,
        )
        unread = Counter(
            "vidsearch_http_requests_unread",
            "Requests refused before there was one: no HTTP, or a head too large or too slow.",
            ["code"],
            registry=registry,
        )
        stages = Histogram(
            "vidsearch_search_stage_duration_seconds",
            "How long a stage of a search took, each time one was entered.",
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
            "Hybrid searches that were answered from words alone: the query was not embedded in time.",
            registry=registry,
        )
        lookups = Counter(
            "vidsearch_cache_lookups",
            "Answers looked for among those that are kept.",
            ["result"],
            registry=registry,
        )
        self._lag = Histogram(
            "vidsearch_event_loop_lag_seconds",
            "How much later than it should the event loop came back to something.",
            registry=registry,
            buckets=_LAG_SECONDS,
        )
        build = Info("vidsearch_build", "What runs here.", registry=registry)
        build.info({"version": __version__, "python_version": platform.python_version()})
        # Known beforehand, so that they are there at 0, where a rate can begin, and cost no lookup.
        self._shed = {reason: shed.labels(reason) for reason in SHED_REASONS}
        self._unread = {code: unread.labels(code) for code in UNREAD_CODES}
        self._stages = {stage: stages.labels(stage) for stage in _STAGES}
        self._results = {kind: results.labels(kind) for kind in _KINDS}
        self._none = {kind: none.labels(kind) for kind in _KINDS}
        self._hits, self._misses = lookups.labels("hit"), lookups.labels("miss")
        for route in PROMISED:
            self._durations.labels(*route, "200")
            for status in ("200", "500", "503"):
                self._requests.labels(*route, status)
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._facts = _FactsCollector()
        registry.register(self._facts)
        ProcessCollector(registry=registry)

    def in_progress(self, method: str, route: str) -> AbstractContextManager[None]:
        """Cover a request from its arrival to its end."""
        return self._in_progress.labels(method, route).track_inprogress()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that is over. `route` is a template, and `method` one of a few."""
        key = (method, route, status)
        if key not in self._answers:
            self._answers[key] = self._requests.labels(*key), self._durations.labels(*key)
        requests, durations = self._answers[key]
        requests.inc()
        durations.observe(seconds)

    def shed(self, reason: ShedReason) -> None:
        """Count a request that was refused to protect the others, whoever refused it."""
        self._shed[reason].inc()

    def unread(self, code: str) -> None:
        """Count what was refused before it was a request, by a code of UNREAD_CODES."""
        self._unread[code].inc()

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Time one stage of a search."""
        return _Timer(self._stages[stage])

    def looked_up(self, *, hit: bool) -> None:
        """Count a lookup among the answers that are kept."""
        (self._hits if hit else self._misses).inc()

    def found(self, kind: SearchKind, videos: int) -> None:
        """Count what a search found."""
        self._results[kind].observe(videos)
        if not videos:
            self._none[kind].inc()

    def degraded(self) -> None:
        """Count a search that is answered from words alone."""
        self._degraded.inc()

    def lagged(self, seconds: float) -> None:
        """Count one measurement of the event loop."""
        self._lag.observe(seconds)

    def exposition(self, facts: Facts) -> bytes:
        """Write everything down as METRICS_TEXT."""
        self._facts.facts = facts
        return generate_latest(self._registry)


class _Timer:
    """Times one block; what `Histogram.time` does, at half its cost."""

    __slots__ = ("_began", "_durations")

    def __init__(self, durations: Histogram) -> None:
        self._durations = durations

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._durations.observe(perf_counter() - self._began)


class _FactsCollector(Collector):
    """Turns the facts of the moment into series; there is none of what is not known."""

    def __init__(self) -> None:
        self.facts = Facts()

    def collect(self) -> Iterable[Metric]:
        facts = self.facts
        yield _gauge(
            "vidsearch_ready",
            "Whether a canary search was answered, when somebody last looked: 1 or 0.",
            facts.is_ready,
        )
        yield from _of_index(facts.manifest)
        yield from _of_runs(facts.runs)


def _of_index(manifest: Manifest | None) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "vidsearch_index_info",
        "The live index; no series where there is none.",
        labels=["version", "model", "distance"],
    )
    if manifest:
        info.add_metric([manifest.index_version, manifest.model.name, manifest.distance], 1)
    yield info
    counts = manifest.counts if manifest else None
    yield _gauge("vidsearch_index_videos", "Videos in the live index.", counts.videos if counts else None)
    yield _gauge(
        "vidsearch_index_passages", "Passages in the live index.", counts.passages if counts else None
    )
    yield _gauge(
        "vidsearch_index_transcript_coverage_ratio",
        "The share of the videos in the live index that have a transcript, 0 to 1.",
        counts.transcript_coverage if counts else None,
    )
    yield _gauge(
        "vidsearch_index_built_timestamp_seconds",
        "When the live index was built; a run that finds nothing to change builds none.",
        manifest.built_at.timestamp() if manifest else None,
    )


def _of_runs(runs: Sequence[Run]) -> Iterator[Metric]:
    run = next(iter(runs), None)
    outcomes = GaugeMetricFamily(
        "vidsearch_last_ingest_outcome",
        "How the last run of ingest ended: 1 for that outcome, 0 for the others.",
        labels=["outcome"],
    )
    if run:
        ended = run.outcome or UNFINISHED
        for outcome in (*RunOutcome, UNFINISHED):
            outcomes.add_metric([outcome], ended == outcome)
    yield outcomes
    yield _gauge(
        "vidsearch_last_ingest_timestamp_seconds",
        "When the last run of ingest ended, or began where it has not ended.",
        (run.ended_at or run.began_at).timestamp() if run else None,
    )
    confirmed = last_confirmed(runs)
    yield _gauge(
        "vidsearch_last_ingest_success_timestamp_seconds",
        "When a sync last went through, if only to find nothing to change; a restore is none.",
        confirmed.timestamp() if confirmed else None,
    )


def _gauge(name: str, what: str, value: float | None) -> Metric:
    gauge = GaugeMetricFamily(name, what)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


PERIOD_SECONDS = 0.25


async def watch_lag(tell: Callable[[float], None]) -> None:
    """Tell over and over, until cancelled, by how many seconds the loop was late."""
    while True:
        began = perf_counter()
        await asyncio.sleep(PERIOD_SECONDS)
        tell(max(0.0, perf_counter() - began - PERIOD_SECONDS))
