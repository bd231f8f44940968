"""Recall and latency of the HNSW graph by `hnsw_ef`.

The exact results are those of the engine's full scan of the same points, with `exact=True`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from qdrant_edge import EdgeShard, Query, QueryRequest, SearchParams

from benchmarks.built_indexes import built_index, load_encoder
from benchmarks.conditions import Options, cores
from benchmarks.datasets import every_query
from benchmarks.figures import Figure, MissingDataError, at_least, milliseconds, skipped
from benchmarks.opened_search import open_live
from retrieval.edge import driver as edge_driver
from retrieval.index.reading import VideoIndex
from retrieval.index.stored_records import PAIR
from retrieval.text.vectors import Embeddings

TARGET = 0.97
WANTED = 10
SAME = 1e-4
SWEPT = (32, 64, 96, 128, 192, 256, 384, 512)
DEPTH = 32
"""The number of videos that a search requests first, as in retrieval.search.ranking."""


def measure(options: Options) -> list[Figure]:
    queries = every_query()
    embeddings = load_encoder(threads=cores()).encode_queries(queries)
    figures = []
    for name in ("bitcoin", "pyvideo"):
        try:
            index_dir = built_index(name, everything=options.everything)
        except MissingDataError as e:
            figures.append(skipped(f"recall, {name}", str(e)))
        else:
            figures += asyncio.run(_measure_index(name, index_dir, embeddings))
    return figures


async def _measure_index(name: str, index_dir: Path, embeddings: Embeddings) -> list[Figure]:
    index = open_live(index_dir)
    shard = index._driver._passages
    points = index.manifest.counts.passages
    try:
        print(f"  {name}: {points} passages, {len(embeddings)} queries", flush=True)
        pairs = np.concatenate([embeddings, embeddings], axis=1)
        exact, taken = _distances(shard, pairs, WANTED, SearchParams(exact=True))
        print(f"    {'exact':>12}: recall@10 1.0000, p50 {milliseconds(taken, 50):6.2f} ms")
        for ef in SWEPT:
            for limit in (WANTED, edge_driver._FIRST_PASSAGES):
                found, taken = _distances(shard, pairs, limit, SearchParams(hnsw_ef=ef))
                recall = _recall(found, exact)
                times = f"p50 {milliseconds(taken, 50):6.2f} ms, p99 {milliseconds(taken, 99):6.2f} ms"
                print(f"    ef {ef:3}, limit {limit:3}: recall@10 {recall:.4f}, {times}", flush=True)
        served, _ = _distances(shard, pairs, edge_driver._FIRST_PASSAGES, edge_driver._SEARCH)
        passages = _recall(served, exact)
        videos = await _recall_of_videos(index, embeddings)
    finally:
        await index.close()
    conditions = (
        f"{len(embeddings)} queries of four sets, {points} passages with real embeddings, default settings, "
        "compared with the engine's exact scan"
    )
    return [
        at_least(
            f"recall@10 of passages, {name}", passages, TARGET, shown=f"{passages:.4f}", conditions=conditions
        ),
        at_least(
            f"recall@10 of videos by passage, {name}",
            videos,
            TARGET,
            shown=f"{videos:.4f}",
            conditions=conditions,
        ),
    ]


async def _recall_of_videos(index: VideoIndex, embeddings: Embeddings) -> float:
    """Compare the results of the index with those of an exact search."""
    found = await _videos(index, embeddings)
    served = edge_driver._SEARCH
    try:
        edge_driver._SEARCH = SearchParams(exact=True)
        exact = await _videos(index, embeddings)
    finally:
        edge_driver._SEARCH = served
    return _recall(found, exact)


async def _videos(index: VideoIndex, embeddings: Embeddings) -> list[list[float]]:
    hits = [await index.nearest_by_passage(query, limit=DEPTH) for query in embeddings]
    return [[hit.distance for hit in row] for row in hits]


def _distances(
    shard: EdgeShard, pairs: NDArray[np.float32], limit: int, params: SearchParams
) -> tuple[list[list[float]], list[float]]:
    """Return the distances of the nearest points of each query, and its seconds."""
    found, taken = [], []
    for pair in pairs:
        request = QueryRequest(query=Query.Nearest(pair.tolist(), using=PAIR), limit=limit, params=params)
        began = perf_counter()
        hits = shard.query(request)
        taken.append(perf_counter() - began)
        found.append([hit.score for hit in hits])
    return found, taken


def _recall(found: Sequence[Sequence[float]], exact: Sequence[Sequence[float]]) -> float:
    """Return the share of the first ten hits that are as near as the exact tenth, over all queries.

    Distances are compared, not ids: talks with the same title are equally right.
    """
    right = wanted = 0
    for some, nearest in zip(found, exact, strict=True):
        farthest = nearest[:WANTED][-1] + SAME
        right += sum(distance <= farthest for distance in some[:WANTED])
        wanted += len(nearest[:WANTED])
    return right / wanted
