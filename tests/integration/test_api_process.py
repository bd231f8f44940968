"""`python -m api` as an operator runs it: a process, a port, signals, and an index that changes."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.support.model_files import edit_json
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
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

SEVERAL_POLLS = 2.0
"""Seconds in which the service looks for a new version several times."""


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
        api.wait_until_ready()
        classic = api.get("/search", query="growing tomatoes").json()
        assert classic["video_id"][0] == "tomato"
        assert classic["title"][0] == "Growing tomatoes"
        assert api.get("/livez").status_code == 200


@pytest.fixture
def api(ingest: Ingest) -> Iterator[Api]:
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        yield api


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
    api.wait_until_ready()


def refused(ingest: Ingest, **own: str) -> Finished:
    """Start the service, which must exit on its own with one line of error."""
    finished = run_module("api", **{**ingest.environment, "PORT": str(free_port()), **own})
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1, finished.stderr
    return finished


def test_without_a_model_it_names_the_command_to_run(ingest: Ingest, folder: Path) -> None:
    finished = refused(ingest, MODEL_DIR=str(folder / "none"))
    assert finished.returncode == 3
    assert "python -m ingest export-model" in finished.stderr


def test_a_taken_port_is_reported(ingest: Ingest, small_api: Api) -> None:
    port = small_api.address.rpartition(":")[2]
    finished = run_module("api", **ingest.environment, PORT=port)
    assert finished.returncode == 1
    assert finished.stderr == f"Port {port} is in use. Choose another one, for example: PORT=9000 make run\n"
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
