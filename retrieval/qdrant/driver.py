"""The driver of a Qdrant server: the two collections of one generation.

It sends the same searches as the embedded engine (retrieval.edge.driver), so that both return the same videos
in the same order. One call may return more here, because each costs a network round trip.
"""

import uuid
from collections.abc import Collection as Items
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from qdrant_client import AsyncQdrantClient, models
from typing_extensions import override

from retrieval.index.driver import Collection, DriverQuery, IndexDriver, PointFilter
from retrieval.index.stored_records import GRAPH_SEARCH_WIDTH, PAIR, PASSAGES, VIDEOS, WORDS
from retrieval.qdrant.connection import QdrantConnection
from retrieval.qdrant.stored_records import id_of, of_video, of_videos, payload_of, sparse
from retrieval.text.vectors import PairVector, SparseVector

_SEARCH = models.SearchParams(hnsw_ef=GRAPH_SEARCH_WIDTH)

_MAX_GROUP_SEARCHES = 4
"""How often a search by passage searches for more videos: each time the server itself searches up to ten
times."""

_EXTRA_GROUPS = 16
"""How many videos beyond the limit a search by passage requests, so that ties are cut by video id."""


class QdrantDriver(IndexDriver):
    """An IndexDriver on a connection that it does not own and never closes."""

    is_remote = True

    def __init__(self, connection: QdrantConnection, collections: Mapping[str, str]) -> None:
        """Read the collections `videos` and `passages` under their names on the server."""
        self._connection = connection
        self._collections = collections
        self._videos = collections[VIDEOS]
        self._passages = collections[PASSAGES]

    @override
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
            return await self._search_passages(query, limit, where, max_distance)
        vector, using = _query(query)
        answer = await self._connection.call(
            lambda client: client.query_points(
                self._videos,
                query=vector,
                using=using,
                limit=limit,
                score_threshold=max_distance,
                query_filter=_filter(where),
                search_params=_SEARCH,
                with_payload=["video_id"],
            )
        )
        return {payload_of(hit)["video_id"]: hit.score for hit in answer.points}

    @override
    async def search_each(
        self, query: DriverQuery, video_ids: Sequence[str], *, limit: int
    ) -> dict[str, list[tuple[uuid.UUID, float]]]:
        found = zip(video_ids, await self._query_each(query, video_ids, limit), strict=True)
        return {
            video_id: [(id_of(hit), hit.score) for hit in answer.points]
            for video_id, answer in found
            if answer.points
        }

    @override
    async def best_each(self, query: DriverQuery, video_ids: Sequence[str]) -> dict[str, float]:
        found = zip(video_ids, await self._query_each(query, video_ids, 1), strict=True)
        return {video_id: answer.points[0].score for video_id, answer in found if answer.points}

    @override
    async def score(self, query: DriverQuery, passages: set[uuid.UUID]) -> dict[uuid.UUID, float]:
        these = models.HasIdCondition(has_id=[str(passage) for passage in passages])
        vector, using = _query(query)
        answer = await self._connection.call(
            lambda client: client.query_points(
                self._passages,
                query=vector,
                using=using,
                limit=len(passages),
                query_filter=models.Filter(must=[these]),
                with_payload=False,
            )
        )
        return {id_of(hit): hit.score for hit in answer.points}

    @override
    async def fetch(
        self,
        collection: Collection,
        points: Sequence[str | uuid.UUID],
        *,
        fields: Sequence[str] | None = None,
    ) -> dict[uuid.UUID, dict[str, Any]]:
        found = await self._connection.call(
            lambda client: client.retrieve(
                self._collections[collection],
                [str(point) for point in points],
                with_payload=list(fields) if fields else True,
                with_vectors=False,
            )
        )
        return {id_of(point): payload_of(point) for point in found}

    @override
    async def fetch_vector(self, video_point: str) -> PairVector | None:
        found = await self._connection.call(
            lambda client: client.retrieve(
                self._videos, [video_point], with_payload=False, with_vectors=[PAIR]
            )
        )
        if not found:
            return None
        vectors = cast("dict[str, list[float]]", found[0].vector)
        return np.asarray(vectors[PAIR], np.float32)

    @override
    async def page(
        self, *, start: uuid.UUID | None, limit: int
    ) -> tuple[list[dict[str, Any]], uuid.UUID | None]:
        offset = str(start) if start else None
        points, following = await self._connection.call(
            lambda client: client.scroll(self._videos, offset=offset, limit=limit, with_payload=True)
        )
        return [payload_of(point) for point in points], uuid.UUID(str(following)) if following else None

    @override
    async def facet(self, field: str, *, limit: int) -> list[tuple[str, int]]:
        answer = await self._connection.call(
            lambda client: client.facet(self._videos, field, limit=limit, exact=True)
        )
        return [(str(hit.value), hit.count) for hit in answer.hits]

    @override
    async def close(self) -> None:
        """Close nothing: the connection belongs to the code that opened it."""

    async def _search_passages(
        self, query: DriverQuery, limit: int, where: PointFilter | None, max_distance: float | None
    ) -> dict[str, float]:
        vector, using = _query(query)
        best: dict[str, float] = {}
        wanted = limit + _EXTRA_GROUPS
        for _ in range(_MAX_GROUP_SEARCHES):
            # Fewer groups than requested may be all there are, or the server gave up because a few videos own
            # all the nearest passages. Only another search without those videos shows which.
            answer = await self._connection.call(
                partial(
                    AsyncQdrantClient.query_points_groups,
                    collection_name=self._passages,
                    group_by="video_id",
                    query=vector,
                    using=using,
                    limit=wanted - len(best),
                    group_size=1,
                    score_threshold=max_distance,
                    query_filter=_filter(where, without=best),
                    search_params=_SEARCH,
                    with_payload=False,
                )
            )
            best |= {str(group.id): group.hits[0].score for group in answer.groups}
            if not answer.groups or len(best) >= wanted:
                break
        return best

    async def _query_each(
        self, query: DriverQuery, video_ids: Sequence[str], limit: int
    ) -> list[models.QueryResponse]:
        """Search the passages of each video, all in one call."""
        vector, using = _query(query)
        requests = [
            models.QueryRequest(
                query=vector,
                using=using,
                limit=limit,
                filter=models.Filter(must=[of_video(video_id)]),
                with_payload=False,
            )
            for video_id in video_ids
        ]
        return await self._connection.call(lambda client: client.query_batch_points(self._passages, requests))


def _query(query: DriverQuery) -> tuple[Any, str]:
    return (sparse(query), WORDS) if isinstance(query, SparseVector) else (query.tolist(), PAIR)


def _filter(where: PointFilter | None, *, without: Items[str] = ()) -> models.Filter | None:
    """Build the client's filter, which also excludes the videos `without`; None if it excludes nothing."""
    must: list[Any] = []
    if where:
        must += [models.FieldCondition(key=field, match=_match(values)) for field, values in where.values]
        if where.published_after or where.published_before:
            period = models.DatetimeRange(gte=where.published_after, lt=where.published_before)
            must.append(models.FieldCondition(key="published_at", range=period))
    must_not: list[Any] = [of_videos(without)] if without else []
    return models.Filter(must=must, must_not=must_not) if must or must_not else None


def _match(values: Sequence[str]) -> models.MatchValue | models.MatchAny:
    return models.MatchValue(value=values[0]) if len(values) == 1 else models.MatchAny(any=list(values))
