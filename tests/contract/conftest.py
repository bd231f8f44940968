"""The engines of the contract tests. A real Qdrant server is the one named, one in a container, or none."""

import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.engines import Engine, NewEngine, RealServer, real_server
from tests.support.index_contract import ENGINES
from tests.support.processes import REPOSITORY

HOW = (
    "no Qdrant server: set TEST_QDRANT_URL (and TEST_QDRANT_API_KEY) to a server for tests, or start Docker, "
    "which pulls the image in docker-compose.yml"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a server, skip one of the tests that need it and deselect the others: one line explains how."""
    if os.environ.get("TEST_QDRANT_URL") or _docker_answers():
        return
    needing = [item for item in items if "[server-" in item.name or _uses_server(item)]
    for item in needing[:1]:
        item.add_marker(pytest.mark.skip(reason=HOW))
    config.hook.pytest_deselected(items=needing[1:])
    items[:] = [item for item in items if item not in needing[1:]]


def _uses_server(item: pytest.Item) -> bool:
    return "qdrant_server" in getattr(item, "fixturenames", ())


def _docker_answers() -> bool:
    """Run the docker program: the Python library leaves a socket open if Docker does not answer."""
    try:
        asked = subprocess.run(["docker", "version"], check=False, capture_output=True, timeout=60)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


@pytest.fixture(scope="session")
def qdrant_server() -> Iterator[RealServer]:
    """The address of a server; skip if there is none and none can be started."""
    url = os.environ.get("TEST_QDRANT_URL")
    if url:
        grpc_port = int(os.environ.get("TEST_QDRANT_GRPC_PORT") or 6334)
        yield RealServer(url, grpc_port, os.environ.get("TEST_QDRANT_API_KEY"))
        return
    with ExitStack() as stack:
        try:
            server = _started_container(stack)
        except Exception as e:  # noqa: BLE001 - the error depends on what is missing.
            pytest.skip(f"{HOW} ({type(e).__name__})")
        yield server


def _started_container(stack: ExitStack) -> RealServer:
    """Run the server image of docker-compose.yml until the stack closes."""
    from testcontainers.community.qdrant import QdrantContainer

    compose = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    image = re.search(r"image: .*(qdrant/qdrant:[\w.-]+)", compose)
    assert image, "docker-compose.yml names no Qdrant image"
    container = stack.enter_context(QdrantContainer(image[1]))
    return RealServer(
        f"http://{container.rest_host_address}", int(container.grpc_host_address.rpartition(":")[2])
    )


@pytest.fixture(scope="module", params=ENGINES)
def new_engine(request: pytest.FixtureRequest) -> NewEngine:
    prepared = ENGINES[request.param]
    if prepared:
        return prepared
    server: RealServer = request.getfixturevalue("qdrant_server")
    return real_server(server, use_grpc=request.param == "server-grpc")


@pytest.fixture
async def engine(new_engine: NewEngine, index_folder: Path) -> AsyncIterator[Engine]:
    async with new_engine(index_folder) as engine:
        yield engine


@pytest.fixture(scope="module")
async def lasting_engine(new_engine: NewEngine, index_folders: Callable[[], Path]) -> AsyncIterator[Engine]:
    async with new_engine(index_folders()) as engine:
        yield engine
