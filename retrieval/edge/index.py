"""The embedded engine's reading side: one generation, open in this process.

Every call runs on the caller's thread. A search takes a few milliseconds (2 at 1,000 passages, 7 at 100,000,
in several calls) and the engine holds the interpreter's lock for most of it, so a thread would add its own
cost and free nobody.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
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
    ScoredPoint,
    ScrollRequest,
    SearchParams,
)

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
from retrieval.edge.errors import engine_errors, with_engine_errors
from retrieval.edge.points import edge_filter, edge_words, every_point, id_of, payload_of
from retrieval.index.reading import (
    NO_FILTER,
    Label,
    LabelField,
    Moment,
    PairVector,
    PassageHit,
    SearchFilter,
    VideoHit,
)
from retrieval.index.records import (
    GRAPH_SEARCH_WIDTH,
    MOMENT_FIELDS,
    PAIR,
    PASSAGES,
    TIES,
    VIDEOS,
    WORDS,
    in_order,
    most_frequent,
    owner_key,
    page_start,
    record_of,
    video_point_id,
)
from retrieval.text.vectors import Embedding, SparseVector

_SEARCH = SearchParams(hnsw_ef=GRAPH_SEARCH_WIDTH)

_PAUSE_SECONDS = 0.02
"""Between one shard and the next: to load one holds the interpreter's lock for 20 ms or more, on any thread,
and who searches meanwhile is to wait for one of them only."""

_FIRST_PASSAGES = 128
"""How many passages a search by passage reads first; it reads more only where they are of too few videos."""

_MOMENT = PayloadSelector.Include(MOMENT_FIELDS)


class EdgeIndex:
    """A VideoIndex over the two shards of one generation."""

    is_remote = False

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Open a finished generation. Raises IndexUnavailableError where the engine cannot."""
        self.manifest = manifest
        self._videos = _load(folder / VIDEOS)
        sleep(_PAUSE_SECONDS)
        self._passages = _load(folder / PASSAGES)
        self._owners = _owners(self._videos)

    @with_engine_errors
    async def nearest_videos(
        self, vector: PairVector, *, limit: int, max_distance: float | None = None
    ) -> list[VideoHit]:
        """Find the videos whose `[title ; transcript]` is nearest to `vector`."""
        hits = self._videos.query(
            QueryRequest(
                query=Query.Nearest(vector.tolist(), using=PAIR),
                limit=limit + TIES,
                score_threshold=max_distance,
                params=_SEARCH,
            )
        )
        return in_order((self._owner(hit), hit.score) for hit in hits)[:limit]

    @with_engine_errors
    async def nearest_by_passage(
        self,
        query: Embedding,
        *,
        limit: int,
        where: SearchFilter = NO_FILTER,
        max_distance: float | None = None,
    ) -> list[VideoHit]:
        """Find the videos that own the passages nearest to the query; a hit's distance is its best one's."""
        best: dict[str, float] = {}
        passages = max(_FIRST_PASSAGES, limit)
        while True:
            hits = self._passages.query(
                QueryRequest(
                    query=_twice(query),
                    limit=passages,
                    score_threshold=max_distance,
                    filter=edge_filter(where, without=best),
                    params=_SEARCH,
                )
            )
            for hit in hits:
                best.setdefault(self._owner(hit), hit.score)  # They come nearest first.
            if len(best) >= limit or len(hits) < passages:
                return in_order(best.items())[:limit]
            # A few videos own all that is near. Leave them out and look further.
            passages *= 2

    @with_engine_errors
    async def distances_of(self, query: Embedding, video_ids: Sequence[str]) -> dict[str, float]:
        """Measure the nearest passage of each of these videos; an id the index does not hold is absent."""
        found = self._in_each(video_ids, _twice(query), limit=1)
        return {video_id: hits[0].score for video_id, hits in found.items()}

    @with_engine_errors
    async def passages_of(
        self, query: Embedding, words: SparseVector, video_ids: Sequence[str], *, among: int
    ) -> dict[str, list[PassageHit]]:
        """Find the `among` nearest passages of each of these videos, nearest first."""
        found = self._in_each(video_ids, _twice(query), limit=among)
        # Every look at a hit's id makes a new object: one look each.
        near = {video_id: [(id_of(hit), hit.score) for hit in hits] for video_id, hits in found.items()}
        relevance = self._scores_among(_by_words(words), _points_in(near)) if words.indices else {}
        return {
            video_id: [PassageHit(point, distance, relevance.get(point, 0.0)) for point, distance in hits]
            for video_id, hits in near.items()
        }

    @with_engine_errors
    async def matching_passages(
        self, words: SparseVector, video_ids: Sequence[str], *, limit: int, query: Embedding | None = None
    ) -> dict[str, list[PassageHit]]:
        """Find the passages of each of these videos that share words with the query, most relevant first."""
        if not words.indices:
            return {}
        found = self._in_each(video_ids, _by_words(words), limit=limit)
        matching = {video_id: [(id_of(hit), hit.score) for hit in hits] for video_id, hits in found.items()}
        distances = {} if query is None else self._scores_among(_twice(query), _points_in(matching))
        return {
            video_id: [PassageHit(point, distances.get(point), relevance) for point, relevance in hits]
            for video_id, hits in matching.items()
        }

    @with_engine_errors
    async def moments(self, hits: Sequence[PassageHit]) -> dict[uuid.UUID, Moment]:
        """Fetch what these passages say and when, by passage id."""
        points = self._passages.retrieve(
            [hit.passage_id for hit in hits], with_payload=_MOMENT, with_vector=False
        )
        payloads = {id_of(point): payload_of(point) for point in points}
        return {
            hit.passage_id: Moment(distance=hit.distance, **payloads[hit.passage_id])
            for hit in hits
            if hit.passage_id in payloads
        }

    @with_engine_errors
    async def matching_videos(
        self, words: SparseVector, *, limit: int, where: SearchFilter = NO_FILTER
    ) -> dict[str, float]:
        """Find the videos that share words with the query, with their BM25 relevance: higher is better."""
        return self._relevant(words, limit=limit, where=where)

    @with_engine_errors
    async def relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Say how relevant these videos are to the words; one that shares none is absent."""
        these = FieldCondition(key="video_id", match=MatchAny(list(video_ids)))
        return self._relevant(words, limit=len(video_ids), conditions=[these]) if video_ids else {}

    @with_engine_errors
    async def passage_relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Say how relevant the most relevant passage of each video is; one that shares no word is absent."""
        if not words.indices:
            return {}
        found = self._in_each(video_ids, _by_words(words), limit=1)
        return {video_id: hits[0].score for video_id, hits in found.items()}

    @with_engine_errors
    async def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRecord]:
        """Fetch these videos' records; an id the index does not hold is absent."""
        points: list[int | uuid.UUID | str] = [video_point_id(video_id) for video_id in video_ids]
        found = self._videos.retrieve(points, with_payload=True, with_vector=False)
        records = (record_of(payload_of(point)) for point in found)
        return {record.video_id: record for record in records}

    @with_engine_errors
    async def pair_vector(self, video_id: str) -> PairVector | None:
        """Fetch a video's `[title ; transcript]`, or None where the index does not hold it."""
        found = self._videos.retrieve([video_point_id(video_id)], with_payload=False, with_vector=[PAIR])
        if not found:
            return None
        vectors = cast("dict[str, list[float]]", found[0].vector)
        return np.asarray(vectors[PAIR], np.float32)

    @with_engine_errors
    async def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[VideoRecord], str | None]:
        """List the catalogue in a fixed order: a page, and the cursor of the next one or None at the end."""
        points, following = self._videos.scroll(
            ScrollRequest(offset=page_start(cursor), limit=limit, with_payload=True)
        )
        cursor = cast("uuid.UUID", following).hex if following else None
        return [record_of(payload_of(point)) for point in points], cursor

    @with_engine_errors
    async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
        """Count the videos of each channel or language: the most frequent first, ties by the value."""
        # An estimate would be of a sample, where there are many values.
        answer = self._videos.facet(FacetRequest(field, limit=limit, exact=True))
        return most_frequent((hit.value, hit.count) for hit in answer.hits)

    async def close(self) -> None:
        """Let go of both shards, off the event loop: with 100,000 passages it takes 50 ms."""
        with engine_errors("The index could not be closed"):
            await asyncio.to_thread(self._videos.close)
            await asyncio.sleep(_PAUSE_SECONDS)
            await asyncio.to_thread(self._passages.close)

    def _owner(self, point: ScoredPoint) -> str:
        return self._owners[owner_key(id_of(point))]

    def _in_each(self, video_ids: Sequence[str], query: Query, *, limit: int) -> dict[str, list[ScoredPoint]]:
        """Find the best passages of each video, all in one batch; a video without any is absent."""
        if not video_ids:
            return {}
        requests = [
            QueryRequest(
                query=query,
                limit=limit,
                filter=Filter(must=[FieldCondition(key="video_id", match=MatchValue(video_id))]),
            )
            for video_id in video_ids
        ]
        answers = self._passages.query_batch(QueryBatchRequest(requests))
        return {video_id: hits for video_id, hits in zip(video_ids, answers, strict=True) if hits}

    def _scores_among(self, query: Query, passages: set[uuid.UUID]) -> dict[uuid.UUID, float]:
        """Compare just these passages with the query; one that shares none of its words is absent."""
        if not passages:
            return {}
        points: set[int | uuid.UUID | str] = {*passages}
        hits = self._passages.query(
            QueryRequest(
                query=query,
                limit=len(passages),
                filter=Filter(must=[HasIdCondition(points)]),
            )
        )
        return {id_of(hit): hit.score for hit in hits}

    def _relevant(
        self,
        words: SparseVector,
        *,
        limit: int,
        where: SearchFilter = NO_FILTER,
        conditions: Iterable[Any] = (),
    ) -> dict[str, float]:
        if not words.indices:
            return {}
        hits = self._videos.query(
            QueryRequest(
                query=_by_words(words),
                limit=limit,
                filter=edge_filter(where, conditions),
            )
        )
        return {self._owner(hit): hit.score for hit in hits}


def _load(folder: Path) -> EdgeShard:
    with engine_errors(f"The index in {folder} cannot be opened"):
        return EdgeShard.load(str(folder))


def _owners(videos: EdgeShard) -> dict[int, str]:
    """Map what the ids of a video and of its passages have in common to the video's own id."""
    every = every_point(videos, with_payload=PayloadSelector.Include(["video_id"]))
    return {owner_key(id_of(point)): payload_of(point)["video_id"] for point in every}


def _twice(query: Embedding) -> Query:
    return Query.Nearest(np.concatenate([query, query]).tolist(), using=PAIR)


def _by_words(words: SparseVector) -> Query:
    return Query.Nearest(edge_words(words), using=WORDS)


def _points_in(found: Mapping[str, Sequence[tuple[uuid.UUID, float]]]) -> set[uuid.UUID]:
    return {point for hits in found.values() for point, _ in hits}
