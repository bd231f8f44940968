"""`python -m api` as an operator runs it: a process, a port, signals, and an index that changes."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.integration.conftest import ROWS
from tests.support.contents import contents_of
from tests.support.documents import write_jsonl
from tests.support.processes import (
    PATIENCE,
    Api,
    Finished,
    Ingest,
    eventually,
    free_port,
    run_module,
    running_api,
)
from tests.support.scrapes import Scrape
from tests.support.tiny_model import edit_json
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

SEVERAL_POLLS = 2.0
"""Seconds in which the service looks for a new version several times."""

CLIENTS = 8
QUERIES = ["growing tomatoes", "painting a wall", "baking bread", "camshaft", "rings of Saturn"]


class Answer(msgspec.Struct, frozen=True):
    """A response under load, with the monotonic times of its request and of its arrival."""

    asked: float
    given: float
    path: str
    query: str
    status: int
    body: dict[str, Any]

    @property
    def version(self) -> str | None:
        return self.body.get("index_version")


def serves(api: Api, version: str) -> None:
    """Wait until a service answers from a version."""

    def is_served() -> bool | None:
        return api.get("/v1/search", query="bread").json()["index_version"] == version or None

    eventually(is_served)


def found_by(api: Api, query: str) -> list[str] | None:
    answer = api.get("/v1/search", query=query)
    return [video["video_id"] for video in answer.json()["videos"]] if answer.status_code == 200 else None


def is_problem(answer: httpx.Response, status: int) -> bool:
    return answer.status_code == status and answer.headers["content-type"] == "application/problem+json"


def test_without_an_index_it_waits_for_one(empty: Ingest, catalogue: Path) -> None:
    with running_api(empty.index_dir, empty.model_dir) as api:
        assert api.get("/livez").status_code == 200
        unready = api.get("/readyz")
        assert is_problem(unready, 503)
        assert "python -m ingest sync" in unready.json()["detail"]
        assert is_problem(api.get("/search", query="bread"), 503)
        assert api.get("/").json() == {"health_check": "OK"}

        empty.done("sync", catalogue)
        found = eventually(lambda: found_by(api, "growing tomatoes"))
        assert found[0] == "tomato"
        eventually(lambda: api.get("/readyz").status_code == 200 or None)
        classic = api.get("/search", query="growing tomatoes").json()
        assert classic["video_id"][0] == "tomato"
        assert classic["title"][0] == "Growing tomatoes"
        assert api.get("/livez").status_code == 200


@pytest.fixture
def api(ingest: Ingest) -> Iterator[Api]:
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        yield api


class Load:
    """Clients that send requests without pause, each on its own connection."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = asyncio.Event()
        self.answers: list[Answer] = []

    async def until(self, done: asyncio.Task[None]) -> None:
        done.add_done_callback(lambda _: self._stop.set())
        await asyncio.gather(*(self._ask(client) for client in range(CLIENTS)))
        await done

    async def several_answers(self) -> None:
        """Wait until the clients have received several more answers to every query."""
        wanted = len(self.answers) + 10 * CLIENTS
        await until(lambda: len(self.answers) >= wanted)

    async def _ask(self, client: int) -> None:
        async with httpx.AsyncClient(base_url=self._address, timeout=PATIENCE) as connection:
            turn = client
            while not self._stop.is_set():
                turn += 1
                query = QUERIES[turn % len(QUERIES)]
                path = "/search" if turn % 4 == 0 else "/v1/search"
                asked = time.monotonic()
                # An exception here fails the test: no request may be lost.
                answer = await connection.get(path, params={"query": query})
                body = answer.json()
                body.pop("took_ms", None)
                self.answers.append(Answer(asked, time.monotonic(), path, query, answer.status_code, body))


def without_distances(videos: list[dict[str, Any]]) -> str:
    """Return the videos without their distances: the last digits depend on how queries are batched."""
    for video in videos:
        for near in (video, *video["moments"]):
            near.pop("distance")
    return repr(videos)


async def command(ingest: Ingest, *arguments: str | Path) -> None:
    await asyncio.to_thread(ingest.done, *arguments)


@pytest.fixture
def uncached(ingest: Ingest) -> Iterator[Api]:
    """A service without a result cache."""
    with running_api(ingest.index_dir, ingest.model_dir, SEARCH_CACHE="0") as api:
        yield api


async def test_a_new_version_is_served_without_losing_or_mixing_an_answer(
    ingest: Ingest, uncached: Api, catalogue: Path
) -> None:
    old = contents_of(ingest.index_dir).version
    changed = [
        {**ROWS[0], "title": "Growing beans"},
        *ROWS[1:],
        {"video_id": "wall", "title": "Painting a wall", "transcript": "Two thin coats are better than one."},
    ]
    write_jsonl(catalogue, changed)
    before_sync = taken_up = before_rollback = rolled_back = 0.0

    async def sync_and_roll_back() -> None:
        nonlocal before_sync, taken_up, before_rollback, rolled_back
        await load.several_answers()
        before_sync = time.monotonic()
        await command(ingest, "sync", catalogue)
        await asyncio.to_thread(serves, uncached, contents_of(ingest.index_dir).version)
        taken_up = time.monotonic()
        await load.several_answers()
        before_rollback = time.monotonic()
        await command(ingest, "rollback")
        await asyncio.to_thread(serves, uncached, old)
        rolled_back = time.monotonic()
        await load.several_answers()

    load = Load(uncached.address)
    await load.until(asyncio.create_task(sync_and_roll_back()))
    answers = load.answers

    assert {answer.status for answer in answers} == {200}
    new = next(answer.version for answer in answers if answer.version not in (None, old))
    assert {answer.version for answer in answers if answer.path == "/v1/search"} == {old, new}

    # No answer comes from a version that is not live yet, or from one that was replaced before the request.
    for answer in answers:
        if answer.version is None:
            continue
        if answer.given < before_sync or answer.asked > rolled_back:
            assert answer.version == old
        elif taken_up < answer.asked and answer.given < before_rollback:
            assert answer.version == new

    # Each version has one answer to a query, so no answer mixes both.
    said: dict[tuple[str | None, str], set[str]] = {}
    for answer in answers:
        if answer.version is not None:
            key = (answer.version, answer.query)
            said.setdefault(key, set()).add(without_distances(answer.body["videos"]))
    assert said.keys() == {(version, query) for version in (old, new) for query in QUERIES}
    assert all(len(bodies) == 1 for bodies in said.values())
    assert said[old, "growing tomatoes"] != said[new, "growing tomatoes"]
    assert said[old, "painting a wall"] != said[new, "painting a wall"]

    classic = {
        query: {tuple(a.body["title"]) for a in answers if a.path == "/search" and a.query == query}
        for query in QUERIES
    }
    assert all(len(titles) <= 2 for titles in classic.values())
    assert {titles[0] for titles in classic["growing tomatoes"]} == {"Growing tomatoes", "Growing beans"}


def test_a_version_of_another_model_is_not_served(ingest: Ingest, api: Api) -> None:
    before = api.get("/v1/search", query="baking bread").json()
    pointer = msgspec.json.decode(ingest.pointer)
    generations = ingest.index_dir / "generations"
    shutil.copytree(generations / pointer["live"], generations / "another")
    another = {"name": "another-model", "weights_sha256": "1" * 64, "dimension": 384}
    edit_json(generations / "another" / "manifest.json", index_version="another", model=another)
    beside = ingest.index_dir / "beside"
    beside.write_bytes(msgspec.json.encode({"live": "another", "previous": pointer["live"]}))
    beside.replace(ingest.index_dir / "CURRENT")
    time.sleep(SEVERAL_POLLS)
    after = api.get("/v1/search", query="baking bread").json()
    assert after["index_version"] == before["index_version"]
    assert after["videos"] == before["videos"]
    assert api.get("/readyz").status_code == 200


def refused(ingest: Ingest, **own: str) -> Finished:
    """Start the service, which must exit on its own with one line of error."""
    finished = run_module("api", **{**ingest.environment, "PORT": str(free_port()), **own})
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1, finished.stderr
    return finished


def test_an_index_of_another_model_is_refused(ingest: Ingest, folder: Path) -> None:
    another = folder / "model"
    another.mkdir()
    for path in ingest.model_dir.iterdir():
        if path.name != "model.json":
            (another / path.name).symlink_to(path)
    shutil.copy(ingest.model_dir / "model.json", another)
    identity = {"name": "another-model", "weights_sha256": "1" * 64, "dimension": 384}
    edit_json(another / "model.json", identity=identity)
    finished = refused(ingest, MODEL_DIR=str(another))
    assert finished.returncode == 3
    assert "was built with sentence-transformers/all-MiniLM-L6-v2" in finished.stderr
    assert "another-model" in finished.stderr
    assert "python -m ingest sync" in finished.stderr


def test_without_a_model_it_names_the_command_to_run(ingest: Ingest, folder: Path) -> None:
    finished = refused(ingest, MODEL_DIR=str(folder / "none"))
    assert finished.returncode == 3
    assert "python -m ingest export-model" in finished.stderr


def test_a_taken_port_is_reported(ingest: Ingest, small_api: Api) -> None:
    finished = run_module("api", **ingest.environment, PORT=small_api.address.rpartition(":")[2])
    assert finished.returncode == 1
    assert f"Cannot listen on {small_api.address}" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert small_api.get("/livez").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"PORT": "http"}, {"PORT": "70000"}, {"SEARCH_CACHE": "-1"}, {"LOG_LEVEL": "loud"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_invalid_setting_is_named(ingest: Ingest, wrong: dict[str, str]) -> None:
    finished = refused(ingest, **wrong)
    assert finished.returncode == 2
    (name,) = wrong
    assert name in finished.stderr


def test_it_stops_although_a_client_stays_connected(api: Api) -> None:
    with httpx.Client(base_url=api.address) as idle:
        assert idle.get("/v1/search", params={"query": "bread"}).status_code == 200
        assert api.stop() == 0


def requests_in_progress(api: Api) -> float:
    metrics = Scrape(api.get("/metrics").text)
    return metrics.total("vidsearch_http_requests_in_progress", route="/v1/search/batch")


async def test_requests_in_progress_are_answered_before_it_stops(ingest: Ingest) -> None:
    # A slow machine must not refuse some of these searches because of its backlog.
    with running_api(ingest.index_dir, ingest.model_dir, MAX_SEARCHES="1000") as api:
        await _stop_during_requests(api)


async def _stop_during_requests(api: Api) -> None:
    words = "how does the camshaft of an engine move its valves and what wears them out " * 4
    # Few enough that a batch is answered within its deadline on a busy machine.
    batch = {"requests": [{"query": f"{n} {words}"} for n in range(8)]}
    async with httpx.AsyncClient(base_url=api.address, timeout=PATIENCE) as client:
        asked = [asyncio.create_task(client.post("/v1/search/batch", json=batch)) for _ in range(4)]
        await until(lambda: requests_in_progress(api) == 4)
        api.process.terminate()
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [len(answer.json()["results"]) for answer in answers] == [8] * 4
    assert await asyncio.to_thread(api.process.wait, PATIENCE) == 0
