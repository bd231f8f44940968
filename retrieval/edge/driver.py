"""The driver of the embedded engine: the two shards of one generation, open in this process.

Every call runs on the event loop's thread. A search takes a few milliseconds (2 at 1,000 passages, 7 at
100,000, in several calls), and the engine holds the interpreter's lock for most of it: a worker thread would
add its own cost and let no other request proceed.
"""

import asyncio
import uuid
from collections.abc import Collection as Items
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any, cast

import numpy as np
from qdrant_edge import (
    EdgeShard,
    FacetRequest,
    FieldCondition,
    Filter,
    HasIdCondition,
    MatchAny,
    MatchValue,
    PayloadSelector,
    Query,
    QueryBatchRequest,
    QueryRequest,
    RangeDateTime,
    ScoredPoint,
    ScrollRequest,
    SearchParams,
)
from typing_extensions import override

from retrieval.edge.errors import engine_errors, with_engine_errors
from retrieval.edge.stored_records import edge_words, every_point, id_of, payload_of
from retrieval.index.driver import Collection, DriverQuery, IndexDriver, PointFilter
from retrieval.index.stored_records import (
    GRAPH_SEARCH_WIDTH,
    PAIR,
    PASSAGES,
    VIDEOS,
    WORDS,
    instant,
    owner_key,
)
from retrieval.text.vectors import PairVector, SparseVector

_SEARCH = SearchParams(hnsw_ef=GRAPH_SEARCH_WIDTH)

_PAUSE_SECONDS = 0.02
"""The pause between two shards: to load one holds the interpreter's lock for 20 ms or more, on any thread,
and a search that arrives meanwhile should wait for one of them only."""

_FIRST_PASSAGES = 128
"""How many passages a search by passage reads first; it reads more only if they belong to too few videos."""


class EdgeDriver(IndexDriver):
    """An IndexDriver over two shards."""

    is_remote = False

    def __init__(self, folder: Path) -> None:
        """Open a finished generation. Raises IndexUnavailableError if the engine cannot."""
        self._videos = _load(folder / VIDEOS)
        sleep(_PAUSE_SECONDS)
        self._passages = _load(folder / PASSAGES)
        self._owners = _owners(self._videos)

    @override
    @with_engine_errors
    async def search(
        self,
        collection: Collection,
        query: DriverQuery,
        *,
        limit: int,
        where: PointFilter | None = None,
        max_distance: float | None = None,
    ) -> dict[str, float]:
        if collection == PASSAGES:
            return self._search_passages(_query(query), limit, where, max_distance)
        hits = self._videos.query(
            QueryRequest(
                query=_query(query),
                limit=limit,
                score_threshold=max_distance,
                filter=_filter(where),
                params=_SEARCH,
            )
        )
        return {self._owner(hit): hit.score for hit in hits}

    @override
    @with_engine_errors
    async def search_each(
        self, query: DriverQuery, video_ids: Sequence[str], *, limit: int
    ) -> dict[str, list[tuple[uuid.UUID, float]]]:
        found = zip(video_ids, self._query_each(query, video_ids, limit), strict=True)
        # Every access to a hit's id makes a new object, so each is read once.
        return {video_id: [(id_of(hit), hit.score) for hit in hits] for video_id, hits in found if hits}

    @override
    @with_engine_errors
    async def best_each(self, query: DriverQuery, video_ids: Sequence[str]) -> dict[str, float]:
        found = zip(video_ids, self._query_each(query, video_ids, 1), strict=True)
        return {video_id: hits[0].score for video_id, hits in found if hits}

    @override
    @with_engine_errors
    async def score(self, query: DriverQuery, passages: set[uuid.UUID]) -> dict[uuid.UUID, float]:
        these = HasIdCondition(cast("set[int | uuid.UUID | str]", passages))
        hits = self._passages.query(
            QueryRequest(query=_query(query), limit=len(passages), filter=Filter(must=[these]))
        )
        return {id_of(hit): hit.score for hit in hits}

    @override
    @with_engine_errors
    async def fetch(
        self,
        collection: Collection,
        points: Sequence[str | uuid.UUID],
        *,
        fields: Sequence[str] | None = None,
    ) -> dict[uuid.UUID, dict[str, Any]]:
        shard = self._videos if collection == VIDEOS else self._passages
        payload = PayloadSelector.Include(list(fields)) if fields else True
        found = shard.retrieve([*points], with_payload=payload, with_vector=False)
        return {id_of(point): payload_of(point) for point in found}

    @override
    @with_engine_errors
    async def fetch_vector(self, video_point: str) -> PairVector | None:
        found = self._videos.retrieve([video_point], with_payload=False, with_vector=[PAIR])
        if not found:
            return None
        vectors = cast("dict[str, list[float]]", found[0].vector)
        return np.asarray(vectors[PAIR], np.float32)

    @override
    @with_engine_errors
    async def page(
        self, *, start: uuid.UUID | None, limit: int
    ) -> tuple[list[dict[str, Any]], uuid.UUID | None]:
        points, following = self._videos.scroll(ScrollRequest(offset=start, limit=limit, with_payload=True))
        return [payload_of(point) for point in points], cast("uuid.UUID | None", following)

    @override
    @with_engine_errors
    async def facet(self, field: str, *, limit: int) -> list[tuple[str, int]]:
        # Without `exact`, the engine estimates from a sample if there are many values.
        answer = self._videos.facet(FacetRequest(field, limit=limit, exact=True))
        return [(str(hit.value), hit.count) for hit in answer.hits]

    @override
    async def close(self) -> None:
        # In a thread: with 100,000 passages it takes 50 ms.
        with engine_errors("The index could not be closed"):
            await asyncio.to_thread(self._videos.close)
            await asyncio.sleep(_PAUSE_SECONDS)
            await asyncio.to_thread(self._passages.close)

    def _search_passages(
        self, query: Query, limit: int, where: PointFilter | None, max_distance: float | None
    ) -> dict[str, float]:
        best: dict[str, float] = {}
        passages = max(_FIRST_PASSAGES, limit)
        while True:
            hits = self._passages.query(
                QueryRequest(
                    query=query,
                    limit=passages,
                    score_threshold=max_distance,
                    filter=_filter(where, without=best),
                    params=_SEARCH,
                )
            )
            for hit in hits:
                best.setdefault(self._owner(hit), hit.score)  # They are sorted, nearest first.
            if len(best) >= limit or len(hits) < passages:
                return best
            # A few videos own all the nearest passages. Exclude these videos and search for more.
            passages *= 2

    def _query_each(
        self, query: DriverQuery, video_ids: Sequence[str], limit: int
    ) -> list[list[ScoredPoint]]:
        vector = _query(query)
        requests = [
            QueryRequest(
                query=vector,
                limit=limit,
                filter=Filter(must=[FieldCondition(key="video_id", match=MatchValue(video_id))]),
            )
            for video_id in video_ids
        ]
        return self._passages.query_batch(QueryBatchRequest(requests))

    def _owner(self, point: ScoredPoint) -> str:
        return self._owners[owner_key(id_of(point))]


def _load(folder: Path) -> EdgeShard:
    with engine_errors(f"The index in {folder} cannot be opened"):
        return EdgeShard.load(str(folder))


def _owners(videos: EdgeShard) -> dict[int, str]:
    """Map the half that the point ids of a video and of its passages share to the video id."""
    every = every_point(videos, with_payload=PayloadSelector.Include(["video_id"]))
    return {owner_key(id_of(point)): payload_of(point)["video_id"] for point in every}


def _query(query: DriverQuery) -> Query:
    if isinstance(query, SparseVector):
        return Query.Nearest(edge_words(query), using=WORDS)
    return Query.Nearest(query.tolist(), using=PAIR)


def _filter(where: PointFilter | None, *, without: Items[str] = ()) -> Filter | None:
    """Build the engine's filter, which also excludes the videos `without`; None if it excludes nothing."""
    must: list[Any] = []
    if where:
        must += [FieldCondition(key=field, match=_match(values)) for field, values in where.values]
        after, before = where.published_after, where.published_before
        if after or before:
            period = RangeDateTime(
                gte=instant(after) if after else None, lt=instant(before) if before else None
            )
            must.append(FieldCondition(key="published_at", range=period))
    must_not: list[Any] = [FieldCondition(key="video_id", match=MatchAny(list(without)))] if without else []
    return Filter(must=must, must_not=must_not) if must or must_not else None


def _match(values: Sequence[str]) -> MatchAny | MatchValue:
    return MatchValue(values[0]) if len(values) == 1 else MatchAny(list(values))
