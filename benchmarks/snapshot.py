"""Snapshot and restore of an index of 100,000 passages: time, size, and equal search results."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.built_indexes import load_encoder, source_of_passages
from benchmarks.command_line import Run, ingest
from benchmarks.conditions import CACHE, Options, cores
from benchmarks.datasets import every_query
from benchmarks.figures import Figure, at_least, without_target
from benchmarks.opened_search import opened_search
from benchmarks.synthetic_index import NOISE, synthetic_index
from retrieval.search.results import SearchRequest
from retrieval.text.onnx_encoder import OnnxEncoder
from tests.support.processes import copied

SEARCHES = 200

_Answers = list[bytes]


def measure(options: Options) -> list[Figure]:
    """Run the commands on a copy of the index as a user does, and search it as the API does."""
    name = source_of_passages(options)
    built = synthetic_index(name, options.larger, load_encoder(threads=cores()))
    encoder = load_encoder(threads=1)
    queries = every_query()[:SEARCHES]
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        index_dir, file = copied(built, Path(folder) / "index"), Path(folder) / "index.tar"
        before = _answers(index_dir, encoder, queries)
        taken = ingest(index_dir, "snapshot", file)
        size = file.stat().st_size
        on_disk = _blocks(index_dir)
        shutil.rmtree(index_dir)
        restored = ingest(index_dir, "restore", file)
        after = _answers(index_dir, encoder, queries)
        rebuilt = ingest(index_dir, "restore", file, "--rebuild")
        anew = _answers(index_dir, encoder, queries)
    conditions = (
        f"{options.larger:,} passages of {name} repeated with noise {NOISE}; {len(queries)} hybrid searches, "
        "limit 10, 3 moments: videos, distances, moments and their order; each command in its own process"
    )
    same, alike = _same(before, after), _same(before, anew)
    return [
        at_least(
            "snapshot, delete, restore: searches with equal results",
            same,
            len(queries),
            shown=f"{same} of {len(queries)}",
            asked="all",
            conditions=conditions,
        ),
        without_target(
            "size of the snapshot",
            size / 1e6,
            shown=f"{size / 1e6:,.0f} MB, of an index of {on_disk / 1e6:,.0f} MB",
            conditions=conditions,
        ),
        _time("ingest snapshot", taken, conditions),
        _time("ingest restore", restored, conditions),
        _time("ingest restore --rebuild", rebuilt, conditions),
        without_target(
            "searches with equal results after --rebuild",
            alike,
            shown=f"{alike} of {len(queries)}",
            conditions=conditions,
        ),
    ]


def _time(command: str, run: Run, conditions: str) -> Figure:
    for line in run.output.splitlines():
        print(f"    {re.sub(r'/[^ ,]*/', '', line)}")
    shown = f"{run.seconds:.1f} s, peak memory {run.peak:.0f} MB including mapped files of the index"
    return without_target(command, run.seconds, shown=shown, conditions=conditions)


def _answers(index_dir: Path, encoder: OnnxEncoder, queries: Sequence[str]) -> _Answers:
    async def ask() -> _Answers:
        embeddings = dict(zip(queries, encoder.encode_queries(queries), strict=True))
        async with opened_search(index_dir, encoder, embeddings) as opened:
            return [
                msgspec.json.encode((await opened.index_only.search(SearchRequest(text=text))).videos)
                for text in queries
            ]

    return asyncio.run(ask())


def _same(before: _Answers, after: _Answers) -> int:
    return sum(one == other for one, other in zip(before, after, strict=True))


def _blocks(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
