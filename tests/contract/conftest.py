"""A real Qdrant server for the contract: the one that is named, or one in a container, or none."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.engines import RealServer
from tests.support.processes import REPOSITORY

HOW = (
    "no Qdrant server: set TEST_QDRANT_URL (and TEST_QDRANT_API_KEY) to one that may be written to, or let "
    "Docker run here and pull the image that docker-compose.yml names"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a server, skip one test that needs one and leave out the rest: one line says how to run it."""
    if os.environ.get("TEST_QDRANT_URL") or _docker_answers():
        return
    needing = [item for item in items if "[server-" in item.name]
    for item in needing[:1]:
        item.add_marker(pytest.mark.skip(reason=HOW))
    config.hook.pytest_deselected(items=needing[1:])
    items[:] = [item for item in items if item not in needing[1:]]


def _docker_answers() -> bool:
    """Ask docker's own program: its library leaves a socket open where nobody answers."""
    try:
        asked = subprocess.run(["docker", "version"], check=False, capture_output=True, timeout=10)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


@pytest.fixture(scope="session")
def qdrant_server() -> Iterator[RealServer]:
    """Say where a server is; skip where there is none, nor a way to run one."""
    url = os.environ.get("TEST_QDRANT_URL")
    if url:
        grpc_port = int(os.environ.get("TEST_QDRANT_GRPC_PORT") or 6334)
        yield RealServer(url, grpc_port, os.environ.get("TEST_QDRANT_API_KEY"))
        return
    with ExitStack() as stack:
        try:
            server = _started_container(stack)
        except Exception as e:  # noqa: BLE001 - without Docker, or the image, it may be anything.
            pytest.skip(f"{HOW} ({type(e).__name__})")
        yield server


def _started_container(stack: ExitStack) -> RealServer:
    """Run the server that docker-compose.yml names until the stack is left."""
    from testcontainers.community.qdrant import QdrantContainer

    compose = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    image = re.search(r"image: .*(qdrant/qdrant:[\w.-]+)", compose)
    assert image, "docker-compose.yml names no Qdrant image"
    container = stack.enter_context(QdrantContainer(image[1]))
    return RealServer(
        f"http://{container.rest_host_address}", int(container.grpc_host_address.rpartition(":")[2])
    )
