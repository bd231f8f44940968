"""Metrics of the index and of ingest: read when Prometheus scrapes, not kept up to date in between."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run, RunOutcome, last_confirmed

UNFINISHED = "unfinished"
"""The outcome of a run that is in progress, or was killed."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the service at the time of a scrape. None is unknown.

    `manifest` None: there is no index. `is_ready` None: no canary search has run yet. `runs` are the logged
    ingest runs, latest first.
    """

    manifest: Manifest | None = None
    runs: Sequence[Run] = ()
    is_ready: bool | None = None


class FactsCollector(Collector):
    """Converts the facts to series. An unknown fact has no series."""

    def __init__(self) -> None:
        self.facts = Facts()

    def collect(self) -> Iterable[Metric]:
        """List the series of the current facts."""
        yield _gauge(
            "vidsearch_ready",
            "Whether the last canary search succeeded: 1 or 0.",
            self.facts.is_ready,
        )
        yield from _index_series(self.facts.manifest)
        yield from _run_series(self.facts.runs)


def _index_series(manifest: Manifest | None) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "vidsearch_index_info",
        "The live index; no series if there is none.",
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


def _run_series(runs: Sequence[Run]) -> Iterator[Metric]:
    run = next(iter(runs), None)
    outcomes = GaugeMetricFamily(
        "vidsearch_last_ingest_outcome",
        "The outcome of the last ingest run: 1 for that outcome, 0 for the others.",
        labels=["outcome"],
    )
    if run:
        ended = run.outcome or UNFINISHED
        for outcome in (*RunOutcome, UNFINISHED):
            outcomes.add_metric([outcome], ended == outcome)
    yield outcomes
    yield _gauge(
        "vidsearch_last_ingest_timestamp_seconds",
        "When the last ingest run ended, or when it began if it has not ended.",
        (run.ended_at or run.began_at).timestamp() if run else None,
    )
    confirmed = last_confirmed(runs)
    yield _gauge(
        "vidsearch_last_ingest_success_timestamp_seconds",
        "When a sync last succeeded, even if it found nothing to change; a restore does not count.",
        confirmed.timestamp() if confirmed else None,
    )


def _gauge(name: str, documentation: str, value: float | None) -> Metric:
    gauge = GaugeMetricFamily(name, documentation)
    if value is not None:
        gauge.add_metric([], value)
    return gauge
