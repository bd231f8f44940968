"""Alerts and dashboard are valid, and query only metrics that the service exports."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any, get_args

import pytest
import yaml

from api.observability.health import MOST_RUN_HOURS
from api.observability.index_metrics import UNFINISHED
from api.observability.metrics import SHED_REASONS
from api.wire.route_table import api_requests
from retrieval.catalogue.runs import RunOutcome
from retrieval.search.observer import SearchKind, Stage
from tests.support.processes import REPOSITORY
from tests.support.scrapes import Scrape
from tests.unit.api.fakes import EchoSearcher
from tests.unit.api.guarded import APP, service

FOLDER = REPOSITORY / "deploy" / "observability"
ALERTS, TESTS = FOLDER / "alerts.yml", sorted(FOLDER.glob("alerts_*test.yml"))
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
# The values that the code can give to a label.
KNOWN = {
    "outcome": {*RunOutcome, UNFINISHED},
    "reason": {*SHED_REASONS},
    "stage": {*get_args(Stage)},
    "kind": {*get_args(SearchKind)},
    "result": {"hit", "miss"},
    "job": {"vidsearch"},
}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package: prometheus)"
)
Node = dict[str, Any]


def promtool(*arguments: object) -> None:
    finished = subprocess.run(
        ["promtool", *map(str, arguments)],  # noqa: S607
        check=False,
        text=True,
        capture_output=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def read(path: Any) -> Node:
    found: Node = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def rules() -> list[Node]:
    return [rule for group in read(ALERTS)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, Node]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboard() -> Node:
    (path,) = DASHBOARDS
    found: Node = json.loads(path.read_text(encoding="utf-8"))
    return found


def panels() -> list[Node]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (each["expr"] for each in dashboard()["annotations"]["list"])
    yield from (each["definition"] for each in dashboard()["templating"]["list"])


@pytest.fixture(scope="module")
def scrape() -> Scrape:
    """Return a scrape of the app after some requests."""
    searcher = EchoSearcher()
    with service(searcher) as client:
        client.get("/v1/search?query=x")
        with searcher._observer.stage("fuse"):
            pass
        client.get("/metrics")
        return Scrape(client.get("/metrics").text)


@needs_promtool
def test_the_configuration_of_prometheus_is_valid() -> None:
    # The file of the key exists only in the container.
    promtool("check", "config", "--syntax-only", FOLDER / "prometheus.yml")


@needs_promtool
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_alerts_fire_when_they_should(path: Any) -> None:
    promtool("test", "rules", path)


def test_every_alert_fires_in_a_test() -> None:
    fired = {
        case["alertname"]
        for path in TESTS
        for test in read(path)["tests"]
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    assert fired == alerts().keys()


def test_health_and_alert_use_the_same_limit_for_an_unfinished_run() -> None:
    alert = alerts()["VidsearchIngestUnfinished"]
    assert f"> {MOST_RUN_HOURS} * 3600" in alert["expr"]
    assert f"{MOST_RUN_HOURS} hours ago" in alert["annotations"]["summary"]


@pytest.mark.parametrize("name", alerts())
def test_an_alert_has_a_severity_a_summary_and_an_action(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"].keys() == {"summary", "action"}
    assert all(text.endswith((".", "}}.", "}}")) for text in alert["annotations"].values())


def test_queries_use_only_metrics_that_the_service_exports(scrape: Scrape) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    exported = {sample.name for sample in scrape.samples}
    queried = {
        name
        for expression in expressions()
        for name in re.findall(r"\b(?:vidsearch|process)[a-z0-9_:]+", re.sub(r'"[^"]*"', "", expression))
    }
    assert len(queried) > 20
    assert queried <= exported | recorded, queried - exported - recorded


def test_queries_use_only_existing_label_values(scrape: Scrape) -> None:
    routes = {route.path_format for route in APP.routes}
    buckets = {sample.labels["le"] for sample in scrape.samples if "le" in sample.labels}
    checked: Counter[str] = Counter()
    for expression in expressions():
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', expression):
            checked[label] += 1
            words = value.split("|") if "~" in operator else [value]
            if label in KNOWN:
                assert set(words) <= KNOWN[label], expression
            elif label == "le":
                assert value in buckets
            elif label == "route":
                assert all(any(re.fullmatch(word, route) for route in routes) for word in words), expression
    assert {"route", "le", "outcome", "result"} <= checked.keys()


def test_the_objectives_cover_searches_and_the_catalogue_but_no_probe() -> None:
    routes = {route.path_format for route in APP.routes}
    (pattern,) = {
        found
        for rule in rules()
        for found in re.findall(r'route=~"([^"]*)"', rule["expr"])
    }  # fmt: skip
    covered = {route for route in routes if re.fullmatch(pattern, route)}
    assert covered == {route for route in routes if route == "/search" or route.startswith("/v1/")}
    assert len(covered) == 7
    # Their counters exist from the start, so that the first failures count.
    methods = {route.path_format: route.methods - {"OPTIONS"} for route in APP.routes}
    assert {*api_requests(APP)} == {(method, route) for route in covered for method in methods[route]}


def test_prometheus_scrapes_the_port_that_compose_gives_the_api() -> None:
    services = read(REPOSITORY / "docker-compose.yml")["services"]
    (job,) = read(FOLDER / "prometheus.yml")["scrape_configs"]
    assert job["job_name"] == "vidsearch"
    (target,) = job["static_configs"][0]["targets"]
    assert target == f"api:{services['api']['environment']['METRICS_PORT']}"
    assert services["api"]["environment"]["METRICS_HOST"] == "0.0.0.0"  # noqa: S104
    # Prometheus sends the key in the file that its start script writes.
    written = job["authorization"]["credentials_file"]
    assert f"> {written} " in " ".join(services["prometheus"]["entrypoint"])
    assert written.startswith("/tmp/")  # noqa: S108 - the only writable folder of the container.
    assert "/tmp" in services["prometheus"]["tmpfs"]  # noqa: S108
    (source,) = read(FOLDER / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_compose_mounts_existing_files_and_publishes_ports_on_loopback_only(name: str) -> None:
    service = read(REPOSITORY / "docker-compose.yml")["services"][name]
    assert service["profiles"] == ["observability"]
    assert re.fullmatch(r"(prom/prometheus:v|grafana/grafana:)\d+\.\d+\.\d+", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    mounts = [volume.split(":") for volume in service["volumes"]]
    files = [mount for mount in mounts if mount[0].startswith("./")]
    assert files
    for source, _, mode in files:
        assert (REPOSITORY / source).exists()
        assert mode == "ro"
    # The user of the container must be able to read the files.
    for path in FOLDER.rglob("*"):
        assert path.stat().st_mode & 0o004, path


def test_the_dashboard_has_no_overlapping_panels_and_one_data_source() -> None:
    (source,) = read(FOLDER / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    for panel in panels():
        assert panel["datasource"]["uid"] == source["uid"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
    for one, other in combinations([panel["gridPos"] for panel in every], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in every)
    (provider,) = read(FOLDER / "grafana/provisioning/dashboards/vidsearch.yml")["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"


@needs_promtool
def test_every_query_is_valid(tmp_path: Any) -> None:
    queries = [re.sub(r"\$(__rate_interval|instance)", "5m", each) for each in expressions()]
    rules_of_queries = [
        {"record": f"query:{n}", "expr": each} for n, each in enumerate(queries) if "label_values" not in each
    ]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules_of_queries}]}))
    promtool("check", "rules", path)
