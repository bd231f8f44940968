"""The service beside a server that misbehaves on the wire: refused at once, and well again by itself."""

import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.integration.conftest import ROWS
from tests.support.documents import write_jsonl
from tests.support.folders import passing_folder
from tests.support.processes import Api, eventually, run_module, running_api
from tests.support.qdrant_faults import (
    CLOSE,
    GARBAGE,
    HALF,
    HALF_STALL,
    HANG,
    LOST,
    Fault,
    answering,
    delaying,
)
from tests.support.qdrant_server import QdrantServer

HOPELESS = 5.0
"""Seconds after which a refusal is of no use to anybody; a benchmark measures whether it takes 1.2."""

RECOVERY = 5.0
_NO_PORT = "1"


class Beside(msgspec.Struct):
    """A service and the server beside it."""

    server: QdrantServer
    api: Api

    def search(self) -> httpx.Response:
        """Ask what was never asked before, so that no kept answer is given."""
        return self.api.get("/v1/search", query=f"Saturn {uuid.uuid4()}")

    def refused(self) -> httpx.Response:
        answer = self.search()
        assert answer.elapsed.total_seconds() < HOPELESS
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "index-unavailable"
        assert str(self.server.port) not in answer.text
        return answer

    def is_ready(self, *, now: bool) -> None:
        """Wait for readiness to say so, which may keep its answer for a second."""
        status = 200 if now else 503
        eventually(lambda: self.api.get("/readyz").status_code == status or None, within=RECOVERY)

    def recovered(self) -> None:
        found = eventually(self._found, within=RECOVERY)
        assert found["videos"][0]["video_id"] == "stars"

    def _found(self) -> dict[str, list[dict[str, str]]] | None:
        answer = self.search()
        return answer.json() if answer.status_code == 200 else None


def environment_of(server: QdrantServer, *, use_grpc: bool) -> dict[str, str]:
    return {"QDRANT_URL": server.url, "QDRANT_GRPC_PORT": str(server.grpc_port) if use_grpc else _NO_PORT}


@contextmanager
def filled_server(model_dir: Path) -> Iterator[QdrantServer]:
    with QdrantServer(grpc=True) as server, passing_folder() as folder:
        catalogue = write_jsonl(folder / "talks.jsonl", ROWS)
        finished = run_module(
            "ingest",
            "sync",
            catalogue,
            INDEX_DIR=str(folder / "index"),
            MODEL_DIR=str(model_dir.resolve()),
            **environment_of(server, use_grpc=True),
        )
        assert finished.returncode == 0, finished.stderr
        yield server


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[QdrantServer]:
    with filled_server(model_dir) as server:
        yield server


@pytest.fixture(scope="module", params=["rest", "grpc"])
def beside(request: pytest.FixtureRequest, server: QdrantServer, model_dir: Path) -> Iterator[Beside]:
    environment = environment_of(server, use_grpc=request.param == "grpc")
    with (
        passing_folder() as folder,
        running_api(folder / "index", model_dir.resolve(), **environment) as api,
    ):
        yield Beside(server, api)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(HANG, id="hangs"),
        pytest.param(CLOSE, id="closes"),
        pytest.param(answering(500), id="500"),
        pytest.param(answering(503), id="503"),
        pytest.param(answering(429, retry_after=7), id="429"),
        pytest.param(answering(401), id="401"),
        pytest.param(HALF, id="half an answer"),
        pytest.param(HALF_STALL, id="half an answer, and silence"),
        pytest.param(GARBAGE, id="no JSON"),
        pytest.param(LOST, id="no answer"),
        pytest.param(delaying(3), id="late"),
    ],
)
def test_a_server_that_misbehaves_is_a_503_until_it_behaves(beside: Beside, fault: Fault) -> None:
    beside.recovered()
    with beside.server.faults.on(fault):
        beside.refused()
        assert beside.api.get("/livez").status_code == 200
    beside.recovered()


def test_many_answers_that_are_each_just_in_time_are_too_late_together(beside: Beside) -> None:
    beside.recovered()
    with beside.server.faults.on(delaying(0.8)):
        began = time.monotonic()
        beside.refused()
        assert time.monotonic() - began < 2 * 0.8 + 0.5
    beside.recovered()


def test_a_server_that_goes_away_and_comes_back(beside: Beside) -> None:
    beside.recovered()
    for _ in range(2):
        beside.server.refuse()
        beside.refused()
        beside.is_ready(now=False)
        beside.server.listen()
        beside.recovered()
        beside.is_ready(now=True)


def test_a_fault_of_one_call_of_a_search_is_a_fault_of_the_search(beside: Beside) -> None:
    def only(part: str) -> AbstractContextManager[None]:
        return beside.server.faults.on(answering(500), where=lambda seen: part in seen.path.lower())

    for part in ("batch", "group", "query"):
        with only(part):
            beside.refused()
    beside.recovered()


@pytest.mark.parametrize("use_grpc", [False, True])
def test_the_service_may_be_there_before_the_server(model_dir: Path, *, use_grpc: bool) -> None:
    with filled_server(model_dir) as server, passing_folder() as folder:
        server.refuse()
        environment = environment_of(server, use_grpc=use_grpc)
        with running_api(folder / "index", model_dir.resolve(), **environment) as api:
            beside = Beside(server, api)
            beside.refused()
            beside.is_ready(now=False)
            server.listen()
            server.faults.forget()
            beside.recovered()
            assert {seen.method == "GRPC" for seen in server.seen} == {use_grpc}
            assert api.stop() == 0


def test_a_wrong_key_is_said_in_the_log_and_never_sent_back(model_dir: Path) -> None:
    with QdrantServer(api_key="right-key-0001") as server, passing_folder() as folder:
        environment = environment_of(server, use_grpc=False) | {"QDRANT_API_KEY": "wrong-key-0002"}
        with running_api(folder / "index", model_dir.resolve(), **environment) as api:
            answer = Beside(server, api).refused()
            log = next(folder.glob("api-*.log"))
            told = log.read_text(encoding="utf-8")
            assert "refuses the key. Set QDRANT_API_KEY" in told
            for key in ("right-key-0001", "wrong-key-0002"):
                assert key not in told
                assert key not in answer.text


def test_an_index_of_another_model_is_refused_on_a_server_too(model_dir: Path) -> None:
    with filled_server(model_dir) as server, passing_folder() as folder:
        _pretend_another_model(server)
        finished = run_module(
            "api",
            INDEX_DIR=str(folder / "index"),
            MODEL_DIR=str(model_dir.resolve()),
            **environment_of(server, use_grpc=False),
        )
        assert finished.returncode == 3
        assert "built with" in finished.stderr


def _pretend_another_model(server: QdrantServer) -> None:
    info = httpx.get(f"{server.url}/collections/vidsearch-videos").json()["result"]
    metadata = info["config"]["metadata"]
    metadata["vidsearch"]["model"]["weights_sha256"] = "f" * 64
    alias = httpx.get(f"{server.url}/aliases").json()["result"]["aliases"]
    name = next(one["collection_name"] for one in alias if one["alias_name"] == "vidsearch-videos")
    httpx.patch(f"{server.url}/collections/{name}", json={"metadata": metadata}).raise_for_status()
