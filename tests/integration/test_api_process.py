"""`python -m api` as an operator meets it: a process, a port, signals, and an index that changes under it."""

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
from tests.support.processes import Api, Finished, Ingest, eventually, free_port, run_module, running_api
from tests.support.tiny_model import edit_json

pytestmark = pytest.mark.anyio

NOTICED_SECONDS = 2.0
"""Within how long the service is to answer from a version that went live."""

READINESS_KEPT_SECONDS = 1.0
"""For how long /readyz repeats what it last found."""

STOPPED_SECONDS = 9.0
CLIENTS = 8
QUERIES = ["growing tomatoes", "painting a wall", "baking bread", "camshaft", "rings of Saturn"]


class Answer(msgspec.Struct, frozen=True):
    """An answer under load: when it was asked and given (Unix time), and what it said."""

    asked: float
    given: float
    path: str
    query: str
    status: int
    body: dict[str, Any]

    @property
    def version(self) -> str | None:
        return self.body.get("index_version")


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
        synced = time.monotonic()
        found = eventually(lambda: found_by(api, "growing tomatoes"), within=NOTICED_SECONDS)
        assert found[0] == "tomato"
        left = synced + NOTICED_SECONDS + READINESS_KEPT_SECONDS - time.monotonic()
        eventually(lambda: api.get("/readyz").status_code == 200 or None, within=left)
        classic = api.get("/search", query="growing tomatoes").json()
        assert classic["video_id"][0] == "tomato"
        assert classic["title"][0] == "Growing tomatoes"
        assert api.get("/livez").status_code == 200


@pytest.fixture
def api(ingest: Ingest) -> Iterator[Api]:
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        yield api


class Load:
    """Some clients that ask without pause, each on a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = asyncio.Event()
        self.answers: list[Answer] = []

    async def until(self, done: asyncio.Task[None]) -> None:
        done.add_done_callback(lambda _: self._stop.set())
        await asyncio.gather(*(self._ask(client) for client in range(CLIENTS)))
        await done

    async def _ask(self, client: int) -> None:
        async with httpx.AsyncClient(base_url=self._address, timeout=10) as connection:
            turn = client
            while not self._stop.is_set():
                turn += 1
                query = QUERIES[turn % len(QUERIES)]
                path = "/search" if turn % 4 == 0 else "/v1/search"
                asked = time.time()
                # An exception here fails the test: no request may be lost.
                answer = await connection.get(path, params={"query": query})
                body = answer.json()
                body.pop("took_ms", None)
                self.answers.append(Answer(asked, time.time(), path, query, answer.status_code, body))


def told_of(videos: list[dict[str, Any]]) -> str:
    """What an answer says but for distances: their last digits depend on what is embedded together."""
    for video in videos:
        for near in (video, *video["moments"]):
            near.pop("distance")
    return repr(videos)


async def command(ingest: Ingest, *arguments: str | Path) -> None:
    await asyncio.to_thread(ingest.done, *arguments)


def switched_at(ingest: Ingest) -> float:
    return (ingest.index_dir / "CURRENT").stat().st_mtime


@pytest.fixture
def uncached(ingest: Ingest) -> Iterator[Api]:
    """A service that looks every answer up in the index."""
    with running_api(ingest.index_dir, ingest.model_dir, SEARCH_CACHE="0") as api:
        yield api


async def test_a_new_version_is_taken_up_without_losing_or_mixing_an_answer(
    ingest: Ingest, uncached: Api, catalogue: Path
) -> None:
    old = contents_of(ingest.index_dir).version
    changed = [
        {**ROWS[0], "title": "Growing beans"},
        *ROWS[1:],
        {"video_id": "wall", "title": "Painting a wall", "transcript": "Two thin coats are better than one."},
    ]
    write_jsonl(catalogue, changed)
    switches: list[float] = []

    async def sync_and_go_back() -> None:
        await asyncio.sleep(0.5)
        await command(ingest, "sync", catalogue)
        switches.append(switched_at(ingest))
        await asyncio.sleep(NOTICED_SECONDS + 0.5)
        await command(ingest, "rollback")
        switches.append(switched_at(ingest))
        await asyncio.sleep(NOTICED_SECONDS + 0.5)

    load = Load(uncached.address)
    await load.until(asyncio.create_task(sync_and_go_back()))
    answers = load.answers
    to_new, to_old = switches

    assert {answer.status for answer in answers} == {200}
    new = next(answer.version for answer in answers if answer.version not in (None, old))
    assert {answer.version for answer in answers if answer.path == "/v1/search"} == {old, new}

    # Who asks once a switch must have been noticed is answered from that version, and nobody sooner than it.
    for answer in answers:
        if answer.version is None:
            continue
        if answer.given < to_new:
            assert answer.version == old
        elif to_new + NOTICED_SECONDS < answer.asked and answer.given < to_old:
            assert answer.version == new
        elif to_old + NOTICED_SECONDS < answer.asked:
            assert answer.version == old

    # One version gives one answer: no answer has something of both.
    said: dict[tuple[str | None, str], set[str]] = {}
    for answer in answers:
        if answer.version is not None:
            key = (answer.version, answer.query)
            said.setdefault(key, set()).add(told_of(answer.body["videos"]))
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


def test_a_version_of_another_model_is_not_taken_up(ingest: Ingest, api: Api) -> None:
    before = api.get("/v1/search", query="baking bread").json()
    pointer = msgspec.json.decode(ingest.pointer)
    generations = ingest.index_dir / "generations"
    shutil.copytree(generations / pointer["live"], generations / "another")
    another = {"name": "another-model", "weights_sha256": "1" * 64, "dimension": 384}
    edit_json(generations / "another" / "manifest.json", index_version="another", model=another)
    beside = ingest.index_dir / "beside"
    beside.write_bytes(msgspec.json.encode({"live": "another", "previous": pointer["live"]}))
    beside.replace(ingest.index_dir / "CURRENT")
    time.sleep(NOTICED_SECONDS)
    after = api.get("/v1/search", query="baking bread").json()
    assert after["index_version"] == before["index_version"]
    assert after["videos"] == before["videos"]
    assert api.get("/readyz").status_code == 200


def refused(ingest: Ingest, **own: str) -> Finished:
    """Start the service, which must end by itself with one line that says why."""
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


def test_without_a_model_it_says_what_to_run(ingest: Ingest, folder: Path) -> None:
    finished = refused(ingest, MODEL_DIR=str(folder / "none"))
    assert finished.returncode == 3
    assert "python -m ingest export-model" in finished.stderr


def test_a_taken_port_is_named(ingest: Ingest, api: Api) -> None:
    finished = run_module("api", **ingest.environment, PORT=api.address.rpartition(":")[2])
    assert finished.returncode == 1
    assert f"Cannot listen on {api.address}" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert api.get("/livez").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"PORT": "http"}, {"PORT": "70000"}, {"SEARCH_CACHE": "-1"}, {"LOG_LEVEL": "loud"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_setting_that_cannot_be_used_is_named(ingest: Ingest, wrong: dict[str, str]) -> None:
    finished = refused(ingest, **wrong)
    assert finished.returncode == 2
    (name,) = wrong
    assert name in finished.stderr


def test_it_stops_when_told_to_though_a_client_stays_connected(api: Api) -> None:
    with httpx.Client(base_url=api.address) as idle:
        assert idle.get("/v1/search", params={"query": "bread"}).status_code == 200
        began = time.monotonic()
        assert api.stop() == 0
        assert time.monotonic() - began < STOPPED_SECONDS


async def test_what_was_asked_before_it_stops_is_answered(api: Api) -> None:
    words = "how does the camshaft of an engine move its valves and what wears them out " * 4
    batch = {"requests": [{"query": f"{n} {words}"} for n in range(32)]}
    async with httpx.AsyncClient(base_url=api.address, timeout=20) as client:
        asked = [asyncio.create_task(client.post("/v1/search/batch", json=batch)) for _ in range(4)]
        # Long enough to have been read, and not for so many searches to be done.
        await asyncio.sleep(0.3)
        api.process.terminate()
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [len(answer.json()["results"]) for answer in answers] == [32] * 4
    assert await asyncio.to_thread(api.process.wait, STOPPED_SECONDS) == 0
