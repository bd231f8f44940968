"""A sync that dies at any moment leaves the old version or the new one, and the next run ends the work."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ingest.proof_texts import SAMPLE_CATALOGUE
from retrieval.generations import Generations
from retrieval.onnx_encoder import OnnxEncoder
from retrieval.opening import embedded_index
from retrieval.query_batcher import QueryBatcher
from retrieval.search import Searcher, SearchRequest
from tests.integration.conftest import ROWS
from tests.support.contents import Contents, assert_same_contents, contents_of
from tests.support.documents import write_jsonl
from tests.support.folders import passing_folder
from tests.support.processes import PATIENCE, Finished, Ingest, copied, eventually, run_module
from tests.support.stopping_sync import EXIT_CODE

CHANGED: list[dict[str, object]] = [
    {**ROWS[0], "title": "Growing beans"},
    {**ROWS[1], "channel": "Bakery"},
    {**ROWS[2], "transcript": "The gasket of the engine keeps the oil in."},
    ROWS[4],
]
QUERIES = [
    "growing beans",
    "baking bread",
    "engine gasket",
    "fixing a tyre",
    "rings of Saturn",
    "collimation",
]
KILLS = 6
MOST_STEPS = 60

Answers = dict[str, list[tuple[str, float]]]


class Whole(msgspec.Struct):
    """An index, the run that changes it, and what that makes of it when nothing stops it."""

    start: Path
    arguments: list[str | Path]
    before: Contents
    after: Contents
    building_seconds: float


@pytest.fixture(scope="module")
def start(small_index: tuple[Path, str], model_dir: Path) -> Iterator[Path]:
    """An index with a version before the live one, which a run then removes."""
    with passing_folder() as folder:
        ingest = Ingest(copied(small_index[0], folder / "index"), model_dir.resolve())
        ingest.done("sync", write_jsonl(folder / "one.jsonl", ROWS[:1]), "--prune")
        ingest.done("rollback")
        yield ingest.index_dir


@pytest.fixture(scope="module")
def quick(start: Path, model_dir: Path) -> Iterator[Whole]:
    """A run with little to embed."""
    with passing_folder() as folder:
        yield uninterrupted(start, model_dir, folder, CHANGED)


@pytest.fixture(scope="module")
def slow(start: Path, model_dir: Path) -> Iterator[Whole]:
    """A run that is at work for a while."""
    sample = [json.loads(line) for line in SAMPLE_CATALOGUE.read_text(encoding="utf-8").splitlines()]
    with passing_folder() as folder:
        yield uninterrupted(start, model_dir, folder, [*CHANGED, *sample[:3]])


def uninterrupted(start: Path, model_dir: Path, folder: Path, rows: list[dict[str, object]]) -> Whole:
    ingest = Ingest(copied(start, folder / "index"), model_dir.resolve())
    before = contents_of(ingest.index_dir)
    arguments: list[str | Path] = ["sync", write_jsonl(folder / "talks.jsonl", rows), "--prune"]
    with ingest.start(*arguments) as process:
        wait_until_building(ingest)
        began = time.monotonic()
        _, errors = process.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - began
    assert process.returncode == 0, errors
    after = contents_of(ingest.index_dir)
    assert after.version != before.version
    return Whole(start, arguments, before, after, seconds)


def being_built(ingest: Ingest) -> bool:
    return any(ingest.index_dir.glob("building/*"))


def wait_until_building(ingest: Ingest) -> None:
    """Wait for this run to build, whatever an earlier one left."""
    earlier = set(ingest.index_dir.glob("building/*"))
    eventually(lambda: set(ingest.index_dir.glob("building/*")) - earlier or None)


async def ask(index_dir: Path, encoder: OnnxEncoder) -> Answers:
    """Ask the live version some questions, in both ways there are."""
    batcher = QueryBatcher(encoder.encode_queries, threads=1)
    live = embedded_index(Generations(index_dir), encoder.exported.identity)
    await live.start()
    try:
        searcher = Searcher(encoder=batcher, source=live, cached_results=0)
        await searcher.check()
        found: Answers = {}
        for query in QUERIES:
            videos = (await searcher.search(SearchRequest(text=query))).videos
            found[query] = [(video.record.video_id, round(video.distance, 3)) for video in videos]
            found[f"classic {query}"] = [(record.video_id, 0.0) for record in await searcher.classic(query)]
        return found
    finally:
        await live.close()
        await batcher.close()


def answers(index_dir: Path, encoder: OnnxEncoder) -> Answers:
    return asyncio.run(ask(index_dir, encoder))


def check_live(whole: Whole, index_dir: Path, encoder: OnnxEncoder, expected: list[Answers]) -> bool:
    """Check that the live version is the old one or the new one, whole; say whether it is the new one."""
    found = contents_of(index_dir)
    is_new = found.version != whole.before.version
    assert_same_contents(found, whole.after if is_new else whole.before)
    assert answers(index_dir, encoder) == expected[is_new]
    return is_new


def answers_of(whole: Whole, encoder: OnnxEncoder) -> list[Answers]:
    """What the old version answers, and the new one."""
    new = whole.arguments[1]
    assert isinstance(new, Path)
    both = [answers(folder, encoder) for folder in (whole.start, new.parent / "index")]
    assert both[0] != both[1]
    assert all(both[0][query] for query in QUERIES)
    return both


def stopping(ingest: Ingest, at: int, whole: Whole) -> Finished:
    return run_module("tests.support.stopping_sync", str(at), *whole.arguments, **ingest.environment)


def test_a_run_may_stop_before_any_of_its_steps(
    quick: Whole, folder: Path, model_dir: Path, encoder: OnnxEncoder
) -> None:
    """Each run dies a step later than the one before, and starts from what that one left behind."""
    expected = answers_of(quick, encoder)
    ingest = Ingest(copied(quick.start, folder / "index"), model_dir.resolve())
    saw_new = []
    for step in range(1, MOST_STEPS):
        finished = stopping(ingest, step, quick)
        if finished.returncode != EXIT_CODE:
            break
        saw_new.append(check_live(quick, ingest.index_dir, encoder, expected))
    assert finished.returncode == 0, finished.stderr
    # One switch from the old to the new, and runs that stopped on either side of it.
    assert saw_new == sorted(saw_new)
    assert saw_new.count(False) > 5
    assert saw_new[-1] is True
    assert check_live(quick, ingest.index_dir, encoder, expected) is True
    assert list(ingest.index_dir.glob("building/*")) == []


def test_a_run_may_be_killed_at_any_moment(
    slow: Whole, folder: Path, model_dir: Path, encoder: OnnxEncoder
) -> None:
    expected = answers_of(slow, encoder)
    ingest = Ingest(copied(slow.start, folder / "index"), model_dir.resolve())
    chance = random.Random(9)
    left_behind = 0
    for kill in range(KILLS):
        with ingest.start(*slow.arguments) as process:
            wait_until_building(ingest)
            # The first one at once, the others spread over the time that building and publishing take.
            time.sleep(slow.building_seconds * (kill + chance.random()) / KILLS if kill else 0)
            process.kill()
        left_behind += being_built(ingest)
        if check_live(slow, ingest.index_dir, encoder, expected):
            # It was done before it was killed: the next one starts over.
            ingest = Ingest(copied(slow.start, folder / f"index-{kill}"), model_dir.resolve())
    assert left_behind
    ingest.done(*slow.arguments)
    assert check_live(slow, ingest.index_dir, encoder, expected) is True
    assert list(ingest.index_dir.glob("building/*")) == []
    pointer = Generations(ingest.index_dir).pointer()
    assert pointer is not None
    kept = {path.name for path in ingest.index_dir.glob("generations/*")}
    assert kept == {pointer.live, pointer.previous}
