"""docker-compose.yml: it is valid for Compose v1 and v2, and its services start and work together.

Without a Qdrant image, a stand-in that only reports that it is ready replaces the server, and the API
searches its embedded index. This checks Compose, but not Qdrant.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.containers.docker_cli import (
    BASE_IMAGE,
    REPOSITORY,
    Container,
    Finished,
    Images,
    docker,
    inspected,
    is_here,
    run,
)
from tests.containers.test_api_container import QUESTION
from tests.support.processes import free_port

COMPOSES = (("docker-compose",), ("docker", "compose"))
EVERY = ("cluster", "ingest", "observability")
PROFILES = ((), ("ingest",), ("cluster",), ("observability",), ("cluster", "ingest"), EVERY)
NODES = ("qdrant-1", "qdrant-2", "qdrant-3")
FILE = REPOSITORY / "docker-compose.yml"
SAMPLE = REPOSITORY / "ingest" / "sample" / "catalogue.jsonl"

_STAND_IN_SERVER = """
import http.server, os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
began = time.monotonic()
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" and time.monotonic() > began + 3 else 503)
        self.end_headers()
pathlib.Path("storage/kept").touch()
print("arguments:", *sys.argv[1:], "key:", os.environ.get("QDRANT__SERVICE__API_KEY"), flush=True)
http.server.HTTPServer(("", 6333), Ready).serve_forever()
"""
_STAND_IN_FILE = f"""
FROM {BASE_IMAGE}
WORKDIR /qdrant
COPY server.py entrypoint.sh ./
RUN mkdir storage && chown 1000:1000 storage
USER 1000:1000
"""


class Project(msgspec.Struct, frozen=True):
    """A Compose project."""

    command: tuple[str, ...]
    port: int
    settings: dict[str, str]

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 300) -> Finished:
        return run(*self.command, *arguments, env=self.settings, check=check, timeout=timeout)

    def container(self, service: str) -> Container:
        return Container(self("ps", "--quiet", service).stdout.strip(), self.port, time.monotonic())

    def ingest_sample(self) -> Finished:
        place = "/source/catalogue.jsonl"
        return self("run", "--rm", "--volume", f"{SAMPLE}:{place}:ro", "ingest", "sync", place)


@pytest.fixture(scope="module", params=COMPOSES, ids=" ".join)
def compose(request: pytest.FixtureRequest, tell: Callable[[str], None]) -> tuple[str, ...]:
    command: tuple[str, ...] = request.param
    if shutil.which(command[0]) is None or run(*command, "version", check=False).returncode:
        pytest.skip(f"`{' '.join(command)}` is not installed. See tests/containers/README.md.")
    tell(f"`{' '.join(command)}` is version {run(*command, 'version', '--short').stdout.strip()}")
    return command


def read(compose: tuple[str, ...], *profiles: str, settings: Path | None = None) -> dict[str, Any]:
    """Validate the file with Compose, and return it with the settings filled in."""
    env_file = ("--env-file", str(settings)) if settings else ()
    options = [option for profile in profiles for option in ("--profile", profile)]
    answer = run(*compose, *env_file, "--file", str(FILE), *options, "config")
    filled: dict[str, Any] = yaml.safe_load(answer.stdout)
    return filled


@contextmanager
def project(
    compose: tuple[str, ...], images: Images, qdrant: str, folder: Path, **settings: str
) -> Iterator[Project]:
    """Define a project with these images and this Qdrant image; remove its containers at the end."""
    override, no_settings = folder / "override.yml", folder / "settings"
    override.write_text(
        json.dumps({"services": {name: {"image": qdrant} for name in ("qdrant", *NODES)}}), encoding="utf-8"
    )
    no_settings.touch()
    port = free_port()
    project = Project(
        (
            *(*compose, "--env-file", str(no_settings), "--project-name", "vidsearch-checked"),
            *("--project-directory", str(REPOSITORY), "--file", str(FILE), "--file", str(override)),
        ),
        port,
        {"API_PORT": str(port), "VIDSEARCH_TAG": images.tag, **settings},
    )
    try:
        yield project
    finally:
        options = [option for profile in EVERY for option in ("--profile", profile)]
        project(*options, "down", "--volumes")


@pytest.fixture(scope="module")
def stand_in(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("stand-in")
    (folder / "Dockerfile").write_text(_STAND_IN_FILE)
    (folder / "server.py").write_text(_STAND_IN_SERVER)
    entrypoint = folder / "entrypoint.sh"
    entrypoint.write_text('#!/bin/bash\nexec python3 server.py "$@"\n')
    entrypoint.chmod(0o755)
    name = f"vidsearch-qdrant-stand-in:{images.tag}"
    docker("build", "--tag", name, str(folder))
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture(scope="module")
def server() -> str:
    image: str = yaml.safe_load(FILE.read_text())["services"]["qdrant"]["image"]
    if not is_here(image):
        pytest.skip(f"The image {image} is not on this machine: docker pull {image}")
    return image


@pytest.mark.parametrize("profiles", PROFILES, ids="+".join)
def test_the_file_is_valid(compose: tuple[str, ...], profiles: tuple[str, ...]) -> None:
    assert {"api", "qdrant"} <= set(read(compose, *profiles)["services"])


def test_the_job_and_the_cluster_start_only_with_their_profiles(compose: tuple[str, ...]) -> None:
    services = read(compose, *EVERY)["services"]
    assert {name: service.get("profiles") for name, service in services.items()} == {
        "qdrant": None,
        "api": None,
        "ingest": ["ingest"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
        **{node: ["cluster"] for node in NODES},
    }


def test_only_the_api_and_who_watches_it_are_published_and_only_to_this_machine(
    compose: tuple[str, ...],
) -> None:
    services = read(compose, *EVERY)["services"]
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert published.keys() == {"api", "prometheus", "grafana"}
    for (port,) in published.values():
        assert "127.0.0.1" in (port if isinstance(port, str) else port["host_ip"])


def test_every_container_is_confined_and_limited(compose: tuple[str, ...]) -> None:
    for service in read(compose, *EVERY)["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]


def test_the_example_settings_are_valid(compose: tuple[str, ...]) -> None:
    assert read(compose, *EVERY, settings=REPOSITORY / ".env.example")


def test_the_api_waits_for_qdrant_and_the_job_fills_its_index(
    compose: tuple[str, ...], images: Images, stand_in: str, tmp_path: Path
) -> None:
    with project(compose, images, stand_in, tmp_path, QDRANT_URL="") as started:
        started("up", "--detach")
        api, qdrant = started.container("api"), started.container("qdrant")
        api.wait_for("/livez")
        healthy = [check for check in qdrant.state()["Health"]["Log"] if not check["ExitCode"]]
        assert healthy[0]["End"][:19] <= inspected(api.id)["State"]["StartedAt"][:19]
        assert "key: None" in qdrant.logs()
        assert started.ingest_sample().returncode == 0
        api.wait_for(QUESTION)
        limits = inspected(api.id)["HostConfig"]
        assert (limits["Memory"], limits["ReadonlyRootfs"], limits["CapDrop"]) == (1 << 30, True, ["ALL"])
        assert inspected(qdrant.id)["HostConfig"]["PortBindings"] in ({}, None)
        started("stop", "api")
        assert api.state()["ExitCode"] == 0


def test_the_nodes_of_the_cluster_find_each_other(
    compose: tuple[str, ...], images: Images, stand_in: str, tmp_path: Path
) -> None:
    with project(compose, images, stand_in, tmp_path, QDRANT_URL="", QDRANT_API_KEY="secret") as started:
        started("--profile", "cluster", "up", "--detach")
        found = [started.container(node).logs().splitlines()[0] for node in NODES]
        first = "--bootstrap http://qdrant-1:6335 --uri"
        assert found == [
            "arguments: --uri http://qdrant-1:6335 key: secret",
            f"arguments: {first} http://qdrant-2:6335 key: secret",
            f"arguments: {first} http://qdrant-3:6335 key: secret",
        ]
        program = "import socket; print(len(set(socket.getaddrinfo('qdrant-cluster', 6333, type=1))))"
        assert started.container("api").run_inside("python", "-c", program).stdout == "3\n"


def test_a_search_is_answered_by_the_server(
    compose: tuple[str, ...], images: Images, server: str, tmp_path: Path
) -> None:
    with project(compose, images, server, tmp_path, QDRANT_API_KEY="secret") as started:
        started("up", "--detach")
        started.ingest_sample()
        started.container("api").wait_for(QUESTION)


def test_a_search_is_answered_while_a_node_is_down(
    compose: tuple[str, ...], images: Images, server: str, tmp_path: Path
) -> None:
    cluster = {"QDRANT_URL": "http://qdrant-cluster:6333", "QDRANT_SHARDS": "3", "QDRANT_REPLICAS": "2"}
    with project(compose, images, server, tmp_path, COMPOSE_PROFILES="cluster", **cluster) as started:
        started("up", "--detach")
        started.ingest_sample()
        api = started.container("api")
        api.wait_for(QUESTION)
        started("stop", "qdrant-2")
        api.wait_for(QUESTION)
