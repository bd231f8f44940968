"""The `api` image at run time: confined and small, with a clean start and stop."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

import pytest

from tests.containers.docker_cli import Container, Images, docker, started, until
from tests.containers.load import CLIENTS, REQUESTS_EACH, send_searches
from tests.support.processes import free_port

CONFINED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"),
    *("--memory", "1g", "--memory-swap", "1g"),
)
GIBIBYTE = 1 << 30
QUESTION = "/v1/search?limit=1&query=" + quote("why is my telescope view mushy")

# Versions 1 and 2 of control groups have the same figures under different names.
_MEMORY = """
import json, pathlib, re
status = pathlib.Path("/proc/1/status").read_text()
sizes = {name: int(re.search(name + r":\\s*(\\d+) kB", status)[1]) * 1024 for name in ("VmRSS", "VmHWM")}
group = pathlib.Path("/sys/fs/cgroup")
for used, peak, limit in (("memory.current", "memory.peak", "memory.max"),
                          *[[f"memory/memory.{n}_in_bytes" for n in ("usage", "max_usage", "limit")]]):
    for name, file in (("used", used), ("peak", peak), ("limit", limit)):
        if (group / file).exists():
            sizes[name] = int((group / file).read_text())
print(json.dumps(sizes))
"""


def serving(image: str, volume: str, *options: str) -> AbstractContextManager[Container]:
    """Start the API on loopback, with this index as its only writable volume."""
    port = free_port()
    return started(
        image,
        *(*CONFINED, "--network", "host", "--env", "HOST=127.0.0.1", "--env", f"PORT={port}"),
        *("--env", "SEARCH_CACHE=0", "--volume", f"{volume}:/data/index", *options),
        port=port,
    )


@pytest.fixture(scope="module")
def api(images: Images, index: str, tell: Callable[[str], None]) -> Iterator[Container]:
    with serving(images.api, index) as container:
        tell(f"docker run to ready: {container.wait_for('/readyz'):.2f} s")
        tell(f"docker run to the first answered search: {container.wait_for(QUESTION):.2f} s")
        yield container


def test_it_searches_the_index_of_the_ingest_image(api: Container) -> None:
    status, answer = api.get(QUESTION)
    assert status == 200
    assert answer["videos"][0]["video_id"] == "mushy-planets-seeing-and-cooldown"


def test_it_runs_as_an_ordinary_user_without_any_privilege(api: Container) -> None:
    status = dict(
        line.split(":\t", 1) for line in api.run_inside("cat", "/proc/1/status").stdout.splitlines()
    )
    assert set(status["Uid"].split()) == {"10001"}
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_only_the_index_is_writable(api: Container) -> None:
    for folder in ("/", "/app", "/model", "/tmp", "/opt/venv"):  # noqa: S108 - a container's own.
        assert api.run_inside("touch", f"{folder}/file").returncode != 0
    assert api.run_inside("test", "-w", "/data/index").returncode == 0


def test_docker_reports_it_as_healthy(api: Container, tell: Callable[[str], None]) -> None:
    until(lambda: api.state()["Health"]["Status"] == "healthy", or_say=lambda: json.dumps(api.state()))
    tell(f"docker run to healthy: {time.monotonic() - api.began:.1f} s (asked every 10 s)")


def test_a_gibibyte_is_enough_under_load(api: Container, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    statuses = send_searches(api.port)
    took = time.monotonic() - began
    assert statuses == [200] * (CLIENTS * REQUESTS_EACH)
    memory = json.loads(api.run_inside("python", "-c", _MEMORY).stdout)
    assert memory["limit"] == GIBIBYTE
    assert memory["VmHWM"] < GIBIBYTE
    assert api.state()["Status"] == "running"
    mb = {name: f"{size / 1e6:.0f}" for name, size in memory.items()}
    tell(
        f"with --memory 1g, {len(statuses)} requests by {CLIENTS} clients in {took:.0f} s, then in MB: "
        f"resident {mb['VmRSS']} (at most {mb['VmHWM']}), the container with the files it keeps in memory "
        f"{mb['used']} (at most {mb.get('peak', 'unknown')})"
    )


def test_it_stops_on_sigterm(images: Images, index: str, tell: Callable[[str], None]) -> None:
    with serving(images.api, index) as container:
        container.wait_for("/readyz")
        took = container.stop()
        state = container.state()
        tell(f"docker stop: {took:.2f} s, exit code {state['ExitCode']}")
        assert state["ExitCode"] == 0


def test_with_an_init_it_stops_while_it_starts(images: Images, index: str) -> None:
    with serving(images.api, index, "--init") as container:
        container.stop()
        # 143: ended by the signal itself, before the service had a handler.
        assert container.state()["ExitCode"] in {0, 143}


def test_without_an_index_it_is_alive_but_not_ready(images: Images, volume: str) -> None:
    with serving(images.api, volume) as container:
        container.wait_for("/livez")
        status, problem = container.get("/readyz")
        assert (status, problem["code"]) == (503, "index-unavailable")


def test_it_listens_on_the_given_port_of_every_address(images: Images) -> None:
    port = free_port()
    options = ("--env", "PORT=9123", "--publish", f"127.0.0.1:{port}:9123")
    command = ("python", "-m", "api", "--open")
    with started(images.api, *CONFINED, *options, command=command, port=port) as container:
        container.wait_for("/livez")
        until(lambda: container.state()["Health"]["Status"] != "starting", or_say=container.logs)
        assert container.state()["Health"]["Status"] == "healthy"


def test_it_does_not_serve_other_machines_without_a_key(images: Images) -> None:
    refused = docker("run", "--rm", *CONFINED, images.api, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "--open" in refused.stderr
