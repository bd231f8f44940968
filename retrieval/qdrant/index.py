"""The server engine's reading side: one generation's two collections, asked over the network.

What a search asks is what it asks of the embedded engine (retrieval.edge.index), so that both give the same
videos in the same order; here one call may bring back more, because each costs a way there and back.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from qdrant_client import models

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
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
    page_start,
    record_of,
    video_point_id,
)
from retrieval.qdrant.connection import QdrantConnection
from retrieval.qdrant.points import (
    id_of,
    of_video,
    of_videos,
    payload_of,
    server_filter,
    sparse,
)
from retrieval.text.vectors import Embedding, SparseVector

_SEARCH = models.SearchParams(hnsw_ef=GRAPH_SEARCH_WIDTH)
_LOOKS = 4
"""How often a search by passage looks for more videos: each time the server itself looks up to ten times."""

_OWNER = ["video_id"]


class QdrantIndex:
    """A VideoIndex over the two collections of one generation, on a connection that it never closes."""

    is_remote = True

    def __init__(self, connection: QdrantConnection, collections: dict[str, str], manifest: Manifest) -> None:
        """Read the collections of these names, by what they hold."""
        self.manifest = manifest
        self._connection = connection
        self._videos = collections[VIDEOS]
        self._passages = collections[PASSAGES]

    async def nearest_videos(
        self, vector: PairVector, *, limit: int, max_distance: float | None = None
    ) -> list[VideoHit]:
        """Find the videos whose `[title ; transcript]` is nearest to `vector`."""
        answer = await self._connection.call(
            lambda client: client.query_points(
                self._videos,
                query=vector.tolist(),
                using=PAIR,
                limit=limit + TIES,
                score_threshold=max_distance,
                search_params=_SEARCH,
                with_payload=_OWNER,
            )
        )
        return in_order((payload_of(hit)["video_id"], hit.score) for hit in answer.points)[:limit]

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
        wanted = limit + TIES
        for _ in range(_LOOKS):
            # Fewer than asked for may be all there are, or the server gave up because a few videos own all
            # that is near. Only another look without those tells.
            groups = await self._nearest_groups(query, wanted - len(best), where, max_distance, without=best)
            best |= {str(group.id): group.hits[0].score for group in groups}
            if not groups or len(best) >= wanted:
                break
        return in_order(best.items())[:limit]

    async def distances_of(self, query: Embedding, video_ids: Sequence[str]) -> dict[str, float]:
        """Measure the nearest passage of each of these videos; an id the index does not hold is absent."""
        found = await self._in_each(video_ids, _twice(query), PAIR, limit=1)
        return {video_id: hits[0].score for video_id, hits in found.items()}

    async def passages_of(
        self, query: Embedding, words: SparseVector, video_ids: Sequence[str], *, among: int
    ) -> dict[str, list[PassageHit]]:
        """Find the `among` nearest passages of each of these videos, nearest first."""
        found = await self._in_each(video_ids, _twice(query), PAIR, limit=among)
        near = {video_id: [(id_of(hit), hit.score) for hit in hits] for video_id, hits in found.items()}
        relevance = await self._scores_among(sparse(words), WORDS, _points_in(near)) if words.indices else {}
        return {
            video_id: [PassageHit(point, distance, relevance.get(point, 0.0)) for point, distance in hits]
            for video_id, hits in near.items()
        }

    async def matching_passages(
        self, words: SparseVector, video_ids: Sequence[str], *, limit: int, query: Embedding | None = None
    ) -> dict[str, list[PassageHit]]:
        """Find the passages of each of these videos that share words with the query, most relevant first."""
        if not words.indices:
            return {}
        found = await self._in_each(video_ids, sparse(words), WORDS, limit=limit)
        matching = {video_id: [(id_of(hit), hit.score) for hit in hits] for video_id, hits in found.items()}
        if query is None:
            return {
                video_id: [PassageHit(point, None, relevance) for point, relevance in hits]
                for video_id, hits in matching.items()
            }
        distances = await self._scores_among(_twice(query), PAIR, _points_in(matching))
        return {
            # One that a run replaced between the two questions has no distance, and is left out.
            video_id: [PassageHit(p, distances[p], relevance) for p, relevance in hits if p in distances]
            for video_id, hits in matching.items()
        }

    async def moments(self, hits: Sequence[PassageHit]) -> dict[uuid.UUID, Moment]:
        """Fetch what these passages say and when, by passage id; one that is gone since is absent."""
        if not hits:
            return {}
        points = await self._connection.call(
            lambda client: client.retrieve(
                self._passages,
                [str(hit.passage_id) for hit in hits],
                with_payload=MOMENT_FIELDS,
                with_vectors=False,
            )
        )
        payloads = {id_of(point): payload_of(point) for point in points}
        return {
            hit.passage_id: Moment(distance=hit.distance, **_told(payloads[hit.passage_id]))
            for hit in hits
            if hit.passage_id in payloads
        }

    async def matching_videos(
        self, words: SparseVector, *, limit: int, where: SearchFilter = NO_FILTER
    ) -> dict[str, float]:
        """Find the videos that share words with the query, with their BM25 relevance: higher is better."""
        return await self._relevant(words, limit, server_filter(where))

    async def relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Say how relevant these videos are to the words; one that shares none is absent."""
        if not video_ids:
            return {}
        return await self._relevant(words, len(video_ids), models.Filter(must=[of_videos(video_ids)]))

    async def passage_relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Say how relevant the most relevant passage of each video is; one that shares no word is absent."""
        if not words.indices:
            return {}
        found = await self._in_each(video_ids, sparse(words), WORDS, limit=1)
        return {video_id: hits[0].score for video_id, hits in found.items()}

    async def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRecord]:
        """Fetch these videos' records; an id the index does not hold is absent."""
        if not video_ids:
            return {}
        points = await self._connection.call(
            lambda client: client.retrieve(
                self._videos, [video_point_id(video_id) for video_id in video_ids], with_vectors=False
            )
        )
        records = (record_of(payload_of(point)) for point in points)
        return {record.video_id: record for record in records}

    async def pair_vector(self, video_id: str) -> PairVector | None:
        """Fetch a video's `[title ; transcript]`, or None where the index does not hold it."""
        points = await self._connection.call(
            lambda client: client.retrieve(
                self._videos, [video_point_id(video_id)], with_payload=False, with_vectors=[PAIR]
            )
        )
        if not points:
            return None
        vectors = cast("dict[str, list[float]]", points[0].vector)
        return np.asarray(vectors[PAIR], np.float32)

    async def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[VideoRecord], str | None]:
        """List the catalogue in a fixed order: a page, and the cursor of the next one or None at the end."""
        first = page_start(cursor)
        start = str(first) if first else None
        points, following = await self._connection.call(
            lambda client: client.scroll(self._videos, offset=start, limit=limit, with_payload=True)
        )
        cursor = uuid.UUID(str(following)).hex if following else None
        return [record_of(payload_of(point)) for point in points], cursor

    async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
        """Count the videos of each channel or language: the most frequent first, ties by the value."""
        answer = await self._connection.call(
            lambda client: client.facet(self._videos, field, limit=limit, exact=True)
        )
        return most_frequent((hit.value, hit.count) for hit in answer.hits)

    async def close(self) -> None:
        """Let go of nothing: the connection is theirs who made it."""

    async def _nearest_groups(
        self,
        query: Embedding,
        limit: int,
        where: SearchFilter,
        max_distance: float | None,
        *,
        without: Iterable[str],
    ) -> list[models.PointGroup]:
        """Ask for the nearest passage of each of the videos that own the nearest ones."""
        answer = await self._connection.call(
            lambda client: client.query_points_groups(
                self._passages,
                group_by="video_id",
                query=_twice(query),
                using=PAIR,
                limit=limit,
                group_size=1,
                score_threshold=max_distance,
                query_filter=server_filter(where, without=list(without)),
                search_params=_SEARCH,
                with_payload=False,
            )
        )
        return answer.groups

    async def _in_each(
        self, video_ids: Sequence[str], query: Any, using: str, *, limit: int
    ) -> dict[str, list[models.ScoredPoint]]:
        """Find the best passages of each video, all in one call; a video without any is absent."""
        if not video_ids:
            return {}
        requests = [
            models.QueryRequest(
                query=query,
                using=using,
                limit=limit,
                filter=models.Filter(must=[of_video(video_id)]),
                with_payload=False,
            )
            for video_id in video_ids
        ]
        answers = await self._connection.call(
            lambda client: client.query_batch_points(self._passages, requests)
        )
        return {
            video_id: answer.points
            for video_id, answer in zip(video_ids, answers, strict=True)
            if answer.points
        }

    async def _scores_among(self, query: Any, using: str, passages: set[uuid.UUID]) -> dict[uuid.UUID, float]:
        """Compare just these passages with the query; one that shares none of its words is absent."""
        if not passages:
            return {}
        these = models.Filter(must=[models.HasIdCondition(has_id=[str(point) for point in passages])])
        answer = await self._connection.call(
            lambda client: client.query_points(
                self._passages,
                query=query,
                using=using,
                limit=len(passages),
                query_filter=these,
                with_payload=False,
            )
        )
        return {id_of(hit): hit.score for hit in answer.points}

    async def _relevant(
        self, words: SparseVector, limit: int, query_filter: models.Filter | None
    ) -> dict[str, float]:
        if not words.indices:
            return {}
        answer = await self._connection.call(
            lambda client: client.query_points(
                self._videos,
                query=sparse(words),
                using=WORDS,
                limit=limit,
                query_filter=query_filter,
                with_payload=_OWNER,
            )
        )
        return {payload_of(hit)["video_id"]: hit.score for hit in answer.points}


def _twice(query: Embedding) -> list[float]:
    pair: list[float] = np.concatenate([query, query]).tolist()
    return pair


def _points_in(found: Mapping[str, Sequence[tuple[uuid.UUID, float]]]) -> set[uuid.UUID]:
    return {point for hits in found.values() for point, _ in hits}


def _told(payload: dict[str, Any]) -> dict[str, Any]:
    return {field: payload.get(field) for field in MOMENT_FIELDS}
