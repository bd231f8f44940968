import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from api import __version__
from api.observability.index_metrics import Facts
from api.observability.metrics import SHED_REASONS, Metrics
from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.runs import Run, RunOutcome
from tests.support.scrapes import Scrape
from tests.support.waiting import until
from tests.unit.api.fakes import MANIFEST, VERSION

BEGAN, ENDED = (datetime(2024, 5, 31, hour, tzinfo=UTC) for hour in (12, 13))


def scrape(metrics: Metrics, facts: Facts | None = None) -> Scrape:
    return Scrape(metrics.exposition(facts or Facts()).decode())


def test_a_request_is_counted_timed_and_in_progress_until_it_ends() -> None:
    metrics = Metrics()
    route = {"method": "GET", "route": "/v1/search"}
    with metrics.requests.in_progress("GET", "/v1/search"):
        assert scrape(metrics).value("vidsearch_http_requests_in_progress", **route) == 1
    for seconds in (0.0007, 0.2, 9.0):
        metrics.requests.completed("GET", "/v1/search", 200, seconds)
    metrics.requests.completed("GET", "/v1/search", 503, 0.1)
    found = scrape(metrics)
    assert found.value("vidsearch_http_requests_in_progress", **route) == 0
    assert found.value("vidsearch_http_requests_total", status="200", **route) == 3
    assert found.value("vidsearch_http_requests_total", status="503", **route) == 1
    duration = "vidsearch_http_request_duration_seconds"
    ok = {"status": "200", **route}
    assert found.value(f"{duration}_sum", **ok) == pytest.approx(9.2007)
    counts = {le: found.value(f"{duration}_bucket", le=le, **ok) for le in ("0.001", "0.25", "5.0", "+Inf")}
    assert counts == {"0.001": 1, "0.25": 2, "5.0": 2, "+Inf": 3}


def test_the_series_of_expected_requests_start_at_0() -> None:
    metrics = Metrics()
    method, route = "GET", "/v1/search"
    metrics.requests.create_series([(method, route)])
    found = scrape(metrics)
    for status in ("200", "500", "503"):
        labels = {"method": method, "route": route, "status": status}
        assert found.value("vidsearch_http_requests_total", **labels) == 0
    slow = {"method": method, "route": route, "status": "200"}
    assert found.value("vidsearch_http_request_duration_seconds_count", **slow) == 0


def test_the_stages_and_results_of_a_search_are_measured() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError), metrics.searches.stage("encode"):
        raise ZeroDivisionError
    with metrics.searches.stage("fuse"), metrics.searches.stage("fuse"):
        pass
    metrics.searches.looked_up(hit=True)
    metrics.searches.looked_up(hit=False)
    metrics.searches.looked_up(hit=False)
    metrics.searches.found("hybrid", 3)
    metrics.searches.found("hybrid", 0)
    assert scrape(metrics).value("vidsearch_searches_degraded_total") == 0
    metrics.searches.degraded()
    found = scrape(metrics)
    assert found.value("vidsearch_searches_degraded_total") == 1
    stages = {stage: found.value("vidsearch_search_stage_duration_seconds_count", stage=stage)
              for stage in ("encode", "vector", "lexical", "fuse")}  # fmt: skip
    assert stages == {"encode": 1, "vector": 0, "lexical": 0, "fuse": 2}
    assert found.value("vidsearch_cache_lookups_total", result="hit") == 1
    assert found.value("vidsearch_cache_lookups_total", result="miss") == 2
    assert found.value("vidsearch_search_results_sum", kind="hybrid") == 3
    assert found.value("vidsearch_search_results_bucket", kind="hybrid", le="0.0") == 1
    assert found.value("vidsearch_searches_without_results_total", kind="hybrid") == 1
    assert found.value("vidsearch_searches_without_results_total", kind="classic") == 0


def test_the_index_has_metrics() -> None:
    found = scrape(Metrics(), Facts(manifest=MANIFEST))
    labels = {"version": VERSION, "model": MANIFEST.model.name, "distance": "manhattan"}
    assert found.value("vidsearch_index_info", **labels) == 1
    assert found.value("vidsearch_index_videos") == 3
    assert found.value("vidsearch_index_passages") == 7
    assert found.value("vidsearch_index_transcript_coverage_ratio") == pytest.approx(2 / 3)
    assert found.value("vidsearch_index_built_timestamp_seconds") == MANIFEST.built_at.timestamp()


def test_an_empty_index_has_metrics() -> None:
    empty = msgspec.structs.replace(MANIFEST, counts=IndexCounts(0, 0, 0))
    found = scrape(Metrics(), Facts(manifest=empty))
    assert found.value("vidsearch_index_videos") == 0
    assert found.value("vidsearch_index_transcript_coverage_ratio") == 0


@pytest.mark.parametrize(
    ("run", "outcome", "at"),
    [
        (Run(began_at=BEGAN, sources=("/secret.csv",), ended_at=ENDED, outcome=RunOutcome.REFUSED, why="/x"),
         "refused", ENDED),
        (Run(began_at=BEGAN, sources=("/secret.csv",)), "unfinished", BEGAN),
    ],
)  # fmt: skip
def test_the_outcome_of_the_last_run_is_a_metric(run: Run, outcome: str, at: datetime) -> None:
    found = scrape(Metrics(), Facts(runs=[run]))
    name = "vidsearch_last_ingest_outcome"
    values = {sample.labels["outcome"]: sample.value for sample in found.samples if sample.name == name}
    assert values == dict.fromkeys([*RunOutcome, "unfinished"], 0.0) | {outcome: 1.0}
    assert found.value("vidsearch_last_ingest_timestamp_seconds") == at.timestamp()
    assert "/secret.csv" not in found.label_values()


def test_the_time_of_the_last_successful_sync_is_a_metric() -> None:
    good = Run(began_at=BEGAN, sources=("a.csv",), ended_at=ENDED, outcome=RunOutcome.UNCHANGED)
    name = "vidsearch_last_ingest_success_timestamp_seconds"
    assert scrape(Metrics(), Facts(runs=[good])).value(name) == ENDED.timestamp()
    at_work = Run(began_at=BEGAN, sources=("a.csv",))
    assert scrape(Metrics(), Facts(runs=[at_work, good])).value(name) == ENDED.timestamp()
    assert scrape(Metrics(), Facts(runs=[at_work])).value(name) is None


def test_an_unknown_fact_has_no_series() -> None:
    found = scrape(Metrics())
    known = {sample.name for sample in found.samples}
    assert not {name for name in known if name.startswith(("vidsearch_index_", "vidsearch_last_ingest"))}
    assert "vidsearch_ready" not in known
    assert scrape(Metrics(), Facts(is_ready=False)).value("vidsearch_ready") == 0
    assert scrape(Metrics(), Facts(is_ready=True)).value("vidsearch_ready") == 1


async def one_lag(metrics: Metrics) -> None:
    watching = asyncio.create_task(metrics.watch_lag(0.001))
    await until(lambda: scrape(metrics).value("vidsearch_event_loop_lag_seconds_count"))
    watching.cancel()


def test_the_process_and_its_event_loop_have_metrics() -> None:
    metrics = Metrics()
    asyncio.run(one_lag(metrics))
    found = scrape(metrics)
    (build,) = found.families["vidsearch_build_info"].samples
    assert build.labels["version"] == __version__
    assert (found.value("vidsearch_event_loop_lag_seconds_count") or 0) >= 1
    assert (found.value("process_resident_memory_bytes") or 0) > 10_000_000
    assert (found.value("process_cpu_seconds_total") or 0) > 0
    assert (found.value("process_open_fds") or 0) > 0


def test_every_metric_has_documentation_base_units_and_our_prefix() -> None:
    metrics = Metrics()
    metrics.requests.completed("GET", "/", 200, 0.1)
    for family in scrape(metrics, Facts(manifest=MANIFEST)).families.values():
        assert family.documentation
        assert family.name.startswith(("vidsearch_", "process_"))
        assert not family.name.endswith(("_ms", "_milliseconds", "_mb", "_percent", "_created"))


def test_the_series_of_shed_requests_start_at_0() -> None:
    metrics = Metrics()
    metrics.requests.shed("rate-limited")
    found = scrape(metrics)
    values = {
        reason: found.value("vidsearch_http_requests_shed_total", reason=reason) for reason in SHED_REASONS
    }
    assert values == {"overloaded": 0, "rate-limited": 1}
