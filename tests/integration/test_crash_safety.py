"""A sync that is killed at any moment leaves the old or the new version, and the next run completes it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from retrieval.edge.generations import Generations
from retrieval.opening import embedded_index
from retrieval.search.results import SearchRequest
from retrieval.search.searcher import Searcher
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.query_batcher import QueryBatcher
from tests.integration.conftest import ROWS
from tests.support.contents import Contents, assert_same_contents, contents_of, left_over
from tests.support.documents import alike_videos, write_jsonl
from tests.support.folders import passing_folder
from tests.support.killed_runs import Undisturbed, kill_runs, undisturbed_run
from tests.support.model_files import edit_json
from tests.support.processes import Finished, Ingest, copied, run_module
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
MANY = [*CHANGED, *alike_videos(400)]
"""Three batches of texts, so that runs are often killed after a part of them is cached."""

MOST_STEPS = 60

Answers = dict[str, list[tuple[str, float]]]


class Whole(msgspec.Struct):
    """An index, the run that changes it, and the result if that run completes."""

    start: Path
    arguments: list[str | Path]
    before: Contents
    after: Contents


@pytest.fixture(scope="module")
def start(small_index: tuple[Path, str], model_dir: Path) -> Iterator[Path]:
    """An index with a previous version, which a run then removes."""
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


def uninterrupted(start: Path, model_dir: Path, folder: Path, rows: list[dict[str, object]]) -> Whole:
    ingest = Ingest(copied(start, folder / "index"), model_dir.resolve())
    before = contents_of(ingest.index_dir)
    arguments: list[str | Path] = ["sync", write_jsonl(folder / "talks.jsonl", rows), "--prune"]
    ingest.done(*arguments)
    after = contents_of(ingest.index_dir)
    assert after.version != before.version
    return Whole(start, arguments, before, after)


async def ask(index_dir: Path, encoder: OnnxEncoder) -> Answers:
    """Search the live version, with the ranked and the classic search."""
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
    """Check that the live version is the complete old or new one; return whether it is the new one."""
    found = contents_of(index_dir)
    is_new = found.version != whole.before.version
    assert_same_contents(found, whole.after if is_new else whole.before)
    assert answers(index_dir, encoder) == expected[is_new]
    return is_new


def answers_of(whole: Whole, encoder: OnnxEncoder) -> list[Answers]:
    """Return the answers of the old version and of the new one."""
    new = whole.arguments[1]
    assert isinstance(new, Path)
    both = [answers(folder, encoder) for folder in (whole.start, new.parent / "index")]
    assert both[0] != both[1]
    assert all(both[0][query] for query in QUERIES)
    return both


def stopping(ingest: Ingest, at: int, whole: Whole) -> Finished:
    return run_module("tests.support.stopping_sync", str(at), *whole.arguments, **ingest.environment)


def stopped_runs(
    first: int, whole: Whole, ingest: Ingest, encoder: OnnxEncoder, expected: list[Answers]
) -> list[bool]:
    """Stop runs, each two steps later than the last; return for each whether the new version was live."""
    saw_new = []
    for step in range(first, MOST_STEPS, 2):
        finished = stopping(ingest, step, whole)
        if finished.returncode != EXIT_CODE:
            break
        saw_new.append(check_live(whole, ingest.index_dir, encoder, expected))
    assert finished.returncode == 0, finished.stderr
    assert check_live(whole, ingest.index_dir, encoder, expected) is True
    return saw_new


def test_a_run_can_stop_before_any_of_its_steps(
    quick: Whole, folder: Path, model_dir: Path, encoder: OnnxEncoder
) -> None:
    """Each run starts from the files of the one before: odd steps on one index, even steps on another."""
    expected = answers_of(quick, encoder)
    indexes = [Ingest(copied(quick.start, folder / name), model_dir.resolve()) for name in ("odd", "even")]
    with ThreadPoolExecutor() as both:
        seen = list(
            both.map(
                lambda first, ingest: stopped_runs(first, quick, ingest, encoder, expected), (1, 2), indexes
            )
        )
    for ingest, saw_new in zip(indexes, seen, strict=True):
        # There is one switch from the old version to the new one, and runs stopped before and after it.
        assert saw_new == sorted(saw_new)
        assert saw_new.count(False) > 5
        assert saw_new[-1] is True
        assert left_over(ingest.index_dir) == []


@pytest.fixture(scope="module")
def first_build(model_dir: Path) -> Iterator[Undisturbed]:
    with passing_folder() as folder:
        source = write_jsonl(folder / "talks.jsonl", MANY)
        yield undisturbed_run(None, [source, "--prune"], QUERIES, folder, model_dir)


@pytest.fixture(scope="module")
def update(start: Path, model_dir: Path) -> Iterator[Undisturbed]:
    with passing_folder() as folder:
        source = write_jsonl(folder / "talks.jsonl", MANY)
        yield undisturbed_run(start, [source, "--prune"], QUERIES, folder, model_dir)


def test_a_first_build_can_be_killed_at_any_moment(
    first_build: Undisturbed, small_index: tuple[Path, str], folder: Path, kills: int
) -> None:
    """Half of the runs start with no index, and half with the sample catalogue."""
    sample = copied(small_index[0], folder / "sample")
    for manifest in sample.glob("generations/*/manifest.json"):
        edit_json(manifest, is_sample=True)
    kill_runs(first_build, [None, sample], kills)


def test_an_update_can_be_killed_at_any_moment(update: Undisturbed, start: Path, kills: int) -> None:
    kill_runs(update, [start], kills)
