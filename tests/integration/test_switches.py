"""The index is switched repeatedly under load. Every request is answered, and from one version."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import httpx

from retrieval.edge.generations import Generations
from tests.integration.conftest import ROWS
from tests.support.documents import write_jsonl
from tests.support.processes import Api, Ingest, eventually, running_api
from tests.support.searching import CLASSIC, SEARCH, Served, ask_all, givers, searching

QUERIES = ["growing tomatoes", "baking bread", "painting a wall"]
CHANGED: list[dict[str, object]] = [
    {**ROWS[0], "title": "Growing beans"},
    {
        "video_id": "wall",
        "title": "Painting a wall",
        "transcript": "Two thin coats are better than one.",
        "channel": "Oven",
    },
    {**ROWS[1], "title": "Baking rye bread"},
    *ROWS[2:],
]
BATCH = {"requests": [{"query": f"{query} {number}"} for query in QUERIES for number in range(8)]}

_T = TypeVar("_T")


def serves(api: Api, version: str) -> bool | None:
    found = api.get("/v1/search", query=QUERIES[0]).json()["index_version"]
    return True if found == version else None


def read_batch(client: httpx.Client) -> set[str]:
    """Return the versions that answered the searches of one batch."""
    response = client.post("/v1/search/batch", json=BATCH)
    assert response.status_code == 200, response.text
    return {answer["index_version"] for answer in response.json()["results"]}


def read_video_page(client: httpx.Client) -> str:
    """Return a page that shows one video, its moments, similar videos and the channels: four answers."""
    response = client.get("/app/videos/bread", params={"query": "baking"})
    assert response.status_code == 200, response.text
    return response.text


@contextmanager
def repeating(read: Callable[[httpx.Client], _T], address: str) -> Iterator[list[_T]]:
    """Call `read` in a thread until the block ends, and yield the list of its results. Raises its errors."""
    stop = threading.Event()
    results: list[_T] = []

    def run() -> None:
        with httpx.Client(base_url=address, timeout=10) as client:
            while not stop.is_set():
                results.append(read(client))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            yield results
        finally:
            stop.set()
    running.result()


def test_a_switch_under_load_loses_no_request_and_mixes_no_versions(
    ingest: Ingest, folder: Path, switches: int
) -> None:
    ingest.done("sync", write_jsonl(folder / "changed.jsonl", CHANGED))
    generations = Generations(ingest.index_dir)
    with running_api(ingest.index_dir, ingest.model_dir, SEARCH_CACHE="0") as api:

        def switch() -> str:
            live = generations.roll_back().live
            eventually(lambda: serves(api, live))
            return live

        versions: list[Served] = []
        pages: list[str] = []
        for _ in range(2):
            versions.append(Served(switch(), ask_all(api.address, QUERIES)))
            with httpx.Client(base_url=api.address) as client:
                pages.append(read_video_page(client))
        one, other = versions
        # Every question has a different answer in each version, so that a mixed answer is recognised.
        assert all(not one.answers[asked].says(other.answers[asked]) for asked in one.answers)
        assert pages[0] != pages[1]
        with (
            searching(api.address, QUERIES) as clients,
            repeating(read_batch, api.address) as batches,
            repeating(read_video_page, api.address) as seen_pages,
        ):
            for _ in range(switches):
                switch()
        heard = clients.take()
        assert api.stop() == 0
    assert_one_version_each(heard, versions, switches)
    assert {frozenset(batch) for batch in batches} == {frozenset([one.version]), frozenset([other.version])}
    assert set(seen_pages) == set(pages)
    sys.stdout.write(f"{switches} switches: {len(batches)} batches and {len(seen_pages)} pages, 0 mixed\n")


def assert_one_version_each(heard: dict[str, Any], versions: list[Served], switches: int) -> None:
    one, other = versions
    answers = heard[CLASSIC] + heard[SEARCH]
    assert {answer.status for _, answer in answers} == {200}
    degraded = 0
    for path in (CLASSIC, SEARCH):
        # On a busy machine a search may be answered from words alone. Such an answer is marked as degraded.
        whole = [(asked, answer) for asked, answer in heard[path] if not answer.said.get("degraded")]
        assert {answer.version for _, answer in heard[path]} <= {None, one.version, other.version}
        degraded += len(heard[path]) - len(whole)
        given = givers(whole, versions)
        # A client sees each switch at most once, and no older version before the next switch.
        changes = sum(before != after for before, after in pairwise(given))
        assert 0 < changes <= switches
    sys.stdout.write(f"{len(answers)} searches ({degraded} degraded), 0 failed, 0 mixed\n")
