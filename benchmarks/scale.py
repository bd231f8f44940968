"""Latency of a search of 100,000 passages compared with 1,000."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.built_indexes import load_encoder, source_of_passages
from benchmarks.conditions import Options, cores
from benchmarks.datasets import every_query
from benchmarks.figures import Figure, at_most, milliseconds, without_target
from benchmarks.opened_search import Opened, opened_search
from benchmarks.synthetic_index import NOISE, PASSAGES_A_VIDEO, synthetic_index
from retrieval.search.ranking import Mode
from retrieval.search.results import SearchRequest
from retrieval.search.searcher import Searcher
from retrieval.text.onnx_encoder import OnnxEncoder

SMALLER = 1_000
MOST_TIMES = 3.0
MODES: tuple[Mode, ...] = ("semantic", "hybrid")
PASSES = 3

_Times = dict[tuple[str, Mode, int], list[float]]


def measure(options: Options) -> list[Figure]:
    encoder = load_encoder(threads=1)
    name = source_of_passages(options)
    queries = every_query()
    sizes = (SMALLER, options.larger)
    folders = {size: synthetic_index(name, size, load_encoder(threads=cores())) for size in sizes}
    times = asyncio.run(_measure(folders, encoder, queries))
    conditions = (
        f"one caller in this process, {len(queries)} queries, {PASSES} alternating passes, limit 10, "
        f"3 moments, no cache; passages of {name} repeated with noise {NOISE}, {PASSAGES_A_VIDEO} per video"
    )
    figures = []
    for stage in ("whole search", "index only"):
        for mode in MODES:
            small, large = (milliseconds(times[stage, mode, size], 50) for size in sizes)
            shown = f"{large / small:.2f} times: {small:.2f} and {large:.2f} ms"
            what = f"{stage}, {mode}: p50 of {sizes[1]:,} passages compared with {sizes[0]:,}"
            if stage == "whole search":
                figures.append(
                    at_most(
                        what,
                        large / small,
                        MOST_TIMES,
                        shown=shown,
                        asked="<= 3 times",
                        conditions=conditions,
                    )
                )
            else:
                figures.append(without_target(what, large / small, shown=shown, conditions=conditions))
    return figures


async def _measure(folders: Mapping[int, Path], encoder: OnnxEncoder, queries: Sequence[str]) -> _Times:
    embeddings = dict(zip(queries, encoder.encode_queries(queries), strict=True))
    times: _Times = defaultdict(list)
    async with AsyncExitStack() as stack:
        opened: dict[int, Opened] = {
            size: await stack.enter_async_context(opened_search(folder, encoder, embeddings))
            for size, folder in folders.items()
        }
        # The first pass reads the index from disk, so it does not count.
        for pass_ in range(PASSES + 1):
            for size, searches in opened.items():
                for mode in MODES:
                    whole = await _timed(searches.whole, queries, mode)
                    index_only = await _timed(searches.index_only, queries, mode)
                    if pass_:
                        times["whole search", mode, size] += whole
                        times["index only", mode, size] += index_only
    for (stage, mode, size), taken in times.items():
        p50, p99 = milliseconds(taken, 50), milliseconds(taken, 99)
        print(f"    {size:7,} passages, {mode:8}, {stage:12}: p50 {p50:6.2f} ms, p99 {p99:6.2f} ms")
    return times


async def _timed(searcher: Searcher, queries: Sequence[str], mode: Mode) -> list[float]:
    taken = []
    for text in queries:
        began = perf_counter()
        await searcher.search(SearchRequest(text=text, mode=mode))
        taken.append(perf_counter() - began)
    return taken
