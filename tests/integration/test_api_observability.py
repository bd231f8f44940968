"""The metrics, the log and the traces of a running `python -m api`."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.conftest import ROWS
from tests.support.contents import contents_of
from tests.support.otlp_collector import collecting
from tests.support.processes import Api, Ingest, eventually, free_port, run_module, running_api
from tests.support.scrapes import Scrape

SECRET = "zebra crossing"  # noqa: S105 - a query, which must not be logged.
REQUESTS = "vidsearch_http_requests_total"
IN_PROGRESS = "vidsearch_http_requests_in_progress"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def scraped(address: str) -> Scrape:
    answer = httpx.get(f"{address}/metrics", timeout=10)
    assert answer.status_code == 200
    return Scrape(answer.text)


def lines(api: Api) -> list[dict[str, Any]]:
    """Return the events of the log. Every other line of the output must be one of the announcement."""
    events = []
    for line in api.log.read_text().splitlines():
        if line.startswith("{"):
            events.append(json.loads(line))
        else:
            assert line.startswith(("Search page: ", "API documentation: ", "Try: ", "Stop: ")), line
    return events


def requests(api: Api) -> list[dict[str, Any]]:
    return [line for line in lines(api) if line["event"] == "request"]


@pytest.fixture
def api(ingest: Ingest) -> Iterator[Api]:
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        yield api


def leave_in_the_middle(api: Api) -> None:
    """Send half of a body, and hang up."""
    host, port = api.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as caller:
        head = f"POST /v1/search/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{SECRET}"
        caller.sendall(head.encode())
        eventually(lambda: scraped(api.address).total(IN_PROGRESS, route="/v1/search/batch") or None)


def test_figures_and_log_tell_of_every_request_and_never_what_was_asked(ingest: Ingest, api: Api) -> None:
    ids = ["caller-1", "caller-2"]
    for own in ids:
        httpx.get(
            f"{api.address}/v1/search", params={"query": SECRET}, headers={"X-Request-ID": own}
        ).raise_for_status()
    api.get("/search", query=SECRET)
    api.get("/v1/videos/stars")
    api.get("/v1/videos/stars/search", query=SECRET)
    api.get("/v1/search", query=SECRET, limit="many")
    api.get("/zebra/crossing", query=SECRET)
    httpx.head(f"{api.address}/search")
    leave_in_the_middle(api)

    def gone() -> Scrape | None:
        found = scraped(api.address)
        return found if found.value(REQUESTS, method="POST", route="/v1/search/batch", status="499") else None

    found = eventually(gone)
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in found.samples
        if sample.name == REQUESTS and sample.value and sample.labels["route"] not in {"/livez", "/metrics"}
    }
    assert counted == {
        ("GET", "/v1/search", "200"): 2,
        ("GET", "/search", "200"): 1,
        ("GET", "/v1/videos/{video_id}", "200"): 1,
        ("GET", "/v1/videos/{video_id}/search", "200"): 1,
        ("GET", "/v1/search", "400"): 1,
        ("GET", "unmatched", "404"): 1,
        ("HEAD", "/search", "405"): 1,
        ("POST", "/v1/search/batch", "499"): 1,
    }
    durations = "vidsearch_http_request_duration_seconds"
    assert found.total(f"{durations}_count", route="/v1/search") == 3
    # The only request in progress is this scrape.
    assert found.total(IN_PROGRESS) == found.total(IN_PROGRESS, route="/metrics") == 1

    stages = {
        stage: found.value("vidsearch_search_stage_duration_seconds_count", stage=stage)
        for stage in ("encode", "vector", "lexical", "fuse")
    }
    assert stages["encode"] == 3
    assert all(count and count >= 2 for count in stages.values())
    assert found.value("vidsearch_cache_lookups_total", result="hit") == 1
    assert found.value("vidsearch_cache_lookups_total", result="miss") == 2
    assert found.value("vidsearch_search_results_count", kind="hybrid") == 2
    assert found.value("vidsearch_search_results_count", kind="classic") == 1

    (index,) = found.families["vidsearch_index_info"].samples
    assert index.labels["version"] == contents_of(ingest.index_dir).version
    assert found.value("vidsearch_index_videos") == len(ROWS)
    assert found.value("vidsearch_index_transcript_coverage_ratio") == 1 - 1 / len(ROWS)
    assert found.value("vidsearch_last_ingest_outcome", outcome="published") == 1
    assert eventually(lambda: scraped(api.address).value("vidsearch_ready")) == 1
    assert not [value for value in found.label_values() if "zebra" in value or "stars" in value]

    assert api.stop() == 0
    told = requests(api)
    assert len(told) == sum(counted.values())
    assert [line["request_id"] for line in told[:2]] == ids
    assert len({line["request_id"] for line in told}) == len(told)
    for line in told:
        assert (line["method"], line["route"], str(line["status"])) in counted
        assert line["duration_ms"] > 0
        assert line["level"] == "info"
        assert line["timestamp"].endswith("Z")
    # A client that disconnects is not our error, nor is a request for an unknown path.
    assert not [line for line in lines(api) if line["level"] == "error"]
    assert "api.observability.request_log" in {line["logger"] for line in lines(api)}
    assert "zebra" not in api.log.read_text()


def test_metrics_on_their_own_port_and_traces(ingest: Ingest) -> None:
    port = free_port()
    own = f"http://127.0.0.1:{port}"
    with collecting() as collector:
        settings = {"METRICS_PORT": str(port), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        with running_api(ingest.index_dir, ingest.model_dir, LOG_LEVEL="debug", **settings) as api:
            assert api.get("/metrics").status_code == 404
            traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            asked = {"query": SECRET, "mode": "semantic"}
            httpx.get(f"{api.address}/v1/search", params=asked, headers=traced).raise_for_status()
            found = scraped(own)
            assert found.total(REQUESTS, route="/v1/search") == 1
            assert found.total(REQUESTS, route="unmatched") == 1
            assert httpx.get(f"{own}/v1/search", params=asked).status_code == 404
            assert api.stop() == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{own}/metrics")
    spans = {span.name: span for span in collector.spans}
    assert collector.paths == {"/v1/traces"}
    assert set(spans) == {"GET unmatched", "GET /v1/search", "encode", "vector", "fuse"}
    search = spans["GET /v1/search"]
    assert search.trace_id.hex() == TRACE
    for stage in ("encode", "vector", "fuse"):
        assert (spans[stage].trace_id, spans[stage].parent_span_id) == (search.trace_id, search.span_id)
    assert b"zebra" not in b"".join(collector.bodies)
    told = requests(api)
    assert [line["trace_id"] for line in told if line["route"] == "/v1/search"] == [TRACE]
    assert {line["level"] for line in told if line["route"] == "/livez"} == {"debug"}
    assert "zebra" not in api.log.read_text()


def test_a_missing_collector_delays_no_request_and_no_stop(ingest: Ingest) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running_api(ingest.index_dir, ingest.model_dir, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere) as api:
        assert api.get("/v1/search", query="bread").status_code == 200
        assert api.stop() == 0


def test_a_metrics_port_that_is_taken_is_named(ingest: Ingest) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finished = run_module("api", **ingest.environment, PORT=str(free_port()), METRICS_PORT=str(port))
    assert finished.returncode == 1
    choose = "Choose another one, for example: METRICS_PORT="
    assert finished.stderr.startswith(f"Port {port} is in use. {choose}")
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
