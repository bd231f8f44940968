"""The API with a Qdrant server that fails: searches get a 503, and recover without a restart."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.integration.conftest import ROWS
from tests.support.documents import write_jsonl
from tests.support.folders import passing_folder
from tests.support.processes import Api, eventually, run_module, running_api
from tests.support.qdrant_faults import (
    BROKEN_RESPONSES,
    CLOSE,
    HANG,
    LOST,
    Fault,
    answering,
    broken_socket,
    delaying,
)
from tests.support.qdrant_server import QdrantServer


class Deployment(msgspec.Struct):
    """An API and the Qdrant server that it uses."""

    server: QdrantServer
    api: Api

    def search(self) -> httpx.Response:
        """Send a query that is new, so that no cached result is returned."""
        return self.api.get("/v1/search", query=f"Saturn {uuid.uuid4()}")

    def assert_unavailable(self) -> httpx.Response:
        answer = self.search()
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "index-unavailable"
        assert str(self.server.port) not in answer.text
        return answer

    def wait_for_readiness(self, status: int) -> None:
        """Wait until /readyz returns this status; its result is cached for a second."""
        eventually(lambda: self.api.get("/readyz").status_code == status or None)

    def wait_for_recovery(self) -> None:
        found = eventually(self._result)
        assert found["videos"][0]["video_id"] == "stars"

    def _result(self) -> dict[str, list[dict[str, str]]] | None:
        answer = self.search()
        return answer.json() if answer.status_code == 200 else None


def environment_of(server: QdrantServer) -> dict[str, str]:
    return {"QDRANT_URL": server.url, "QDRANT_GRPC_PORT": str(server.grpc_port)}


@contextmanager
def filled_server(model_dir: Path) -> Iterator[QdrantServer]:
    with QdrantServer() as server, passing_folder() as folder:
        catalogue = write_jsonl(folder / "talks.jsonl", ROWS)
        finished = run_module(
            "ingest",
            "sync",
            catalogue,
            INDEX_DIR=str(folder / "index"),
            MODEL_DIR=str(model_dir.resolve()),
            **environment_of(server),
        )
        assert finished.returncode == 0, finished.stderr
        yield server


@contextmanager
def deployed(server: QdrantServer, model_dir: Path) -> Iterator[Deployment]:
    with (
        passing_folder() as folder,
        running_api(folder / "index", model_dir.resolve(), **environment_of(server)) as api,
    ):
        yield Deployment(server, api)


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[QdrantServer]:
    with filled_server(model_dir) as server:
        yield server


@pytest.fixture(scope="module")
def deployment(server: QdrantServer, model_dir: Path) -> Iterator[Deployment]:
    with deployed(server, model_dir) as deployment:
        yield deployment


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(HANG, id="hangs"),
        pytest.param(CLOSE, id="closes"),
        pytest.param(answering(500), id="500"),
        pytest.param(answering(503), id="503"),
        pytest.param(answering(429, retry_after=7), id="429"),
        pytest.param(answering(401), id="401"),
        pytest.param(LOST, id="no response"),
        pytest.param(delaying(3), id="late"),
    ],
)
def test_a_failing_server_is_a_503_until_it_recovers(deployment: Deployment, fault: Fault) -> None:
    deployment.wait_for_recovery()
    with deployment.server.faults.on(fault):
        deployment.assert_unavailable()
        assert deployment.api.get("/livez").status_code == 200
    deployment.wait_for_recovery()


@pytest.mark.parametrize("name", BROKEN_RESPONSES)
def test_broken_rest_responses_are_a_503_until_grpc_is_back(deployment: Deployment, name: str) -> None:
    """The client chooses REST if the gRPC port refuses connections."""
    deployment.wait_for_recovery()
    deployment.server.refuse()
    deployment.assert_unavailable()
    with broken_socket(deployment.server.port, BROKEN_RESPONSES[name]):
        deployment.assert_unavailable()
        assert deployment.api.get("/livez").status_code == 200
    # Nothing listens now: the client is given up, and the next one chooses its protocol again.
    deployment.assert_unavailable()
    deployment.server.listen()
    deployment.wait_for_recovery()


def test_a_server_that_restarts_is_used_again(deployment: Deployment) -> None:
    deployment.wait_for_recovery()
    for _ in range(2):
        deployment.server.refuse()
        deployment.assert_unavailable()
        deployment.wait_for_readiness(503)
        deployment.server.listen()
        deployment.wait_for_recovery()
        deployment.wait_for_readiness(200)


@pytest.mark.parametrize("part", ["batch", "group", "query"])
def test_one_failed_call_fails_the_search(deployment: Deployment, part: str) -> None:
    with deployment.server.faults.on(answering(500), where=lambda call: part in call.method.lower()):
        deployment.assert_unavailable()
    deployment.wait_for_recovery()


def test_the_api_can_start_before_the_server(server: QdrantServer, model_dir: Path) -> None:
    server.refuse()
    with deployed(server, model_dir) as deployment:
        deployment.assert_unavailable()
        deployment.wait_for_readiness(503)
        server.listen()
        deployment.wait_for_recovery()
        assert deployment.api.stop() == 0


def test_a_wrong_key_is_logged_and_never_returned(model_dir: Path) -> None:
    with QdrantServer(api_key="right-key-0001") as server, passing_folder() as folder:
        environment = environment_of(server) | {"QDRANT_API_KEY": "wrong-key-0002"}
        with running_api(folder / "index", model_dir.resolve(), **environment) as api:
            answer = Deployment(server, api).assert_unavailable()
            log = next(folder.glob("api-*.log")).read_text(encoding="utf-8")
            assert "refuses the key. Set QDRANT_API_KEY" in log
            for key in ("right-key-0001", "wrong-key-0002"):
                assert key not in log
                assert key not in answer.text


def test_an_index_of_another_model_is_refused(model_dir: Path) -> None:
    with filled_server(model_dir) as server, passing_folder() as folder:
        _rename_model(server)
        finished = run_module(
            "api",
            INDEX_DIR=str(folder / "index"),
            MODEL_DIR=str(model_dir.resolve()),
            **environment_of(server),
        )
        assert finished.returncode == 3
        assert "built with" in finished.stderr


def _rename_model(server: QdrantServer) -> None:
    metadata = server.client.get_collection("vidsearch-videos").config.metadata or {}
    metadata["vidsearch"]["model"]["weights_sha256"] = "f" * 64
    server.client.update_collection("vidsearch-videos", metadata=metadata)
