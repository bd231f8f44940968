"""What a Qdrant server keeps and answers, on the client's own emulation, whichever wire asks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client.http import models

from tests.support.qdrant_collections import QdrantCollections


class QdrantStore(QdrantCollections):
    """The collections of one server and the points in them. Call its methods only inside `working()`."""

    def upsert(
        self,
        name: str,
        points: Sequence[models.PointStruct] | models.Batch,
        update_filter: models.Filter | None = None,
        mode: models.UpdateMode | None = None,
    ) -> models.UpdateResult:
        collection = self._collection(name)
        points = collection._materialize_points(points)
        # To the emulation a deleted point is still there, so it would not insert it, and would update it.
        if mode == models.UpdateMode.INSERT_ONLY:
            points = [point for point in points if collection._existing_idx(point.id) is None]
        elif mode == models.UpdateMode.UPDATE_ONLY:
            points = [point for point in points if collection._existing_idx(point.id) is not None]
        collection.upsert(points, update_filter=update_filter)
        return self._done()

    def delete(self, name: str, selector: models.PointsSelector) -> models.UpdateResult:
        self._collection(name).delete(selector)
        return self._done()

    def set_payload(self, name: str, change: models.SetPayload) -> models.UpdateResult:
        self._collection(name).set_payload(change.payload, _selector(change), change.key)
        return self._done()

    def overwrite_payload(self, name: str, change: models.SetPayload) -> models.UpdateResult:
        self._collection(name).overwrite_payload(change.payload, _selector(change))
        return self._done()

    def delete_payload(self, name: str, change: models.DeletePayload) -> models.UpdateResult:
        self._collection(name).delete_payload(change.keys, _selector(change))
        return self._done()

    def clear_payload(self, name: str, selector: models.PointsSelector) -> models.UpdateResult:
        self._collection(name).clear_payload(selector)
        return self._done()

    def update_vectors(self, name: str, change: models.UpdateVectors) -> models.UpdateResult:
        self._collection(name).update_vectors(change.points, change.update_filter)
        return self._done()

    def delete_vectors(self, name: str, change: models.DeleteVectors) -> models.UpdateResult:
        self._collection(name).delete_vectors(change.vector, _selector(change))
        return self._done()

    def batch(self, name: str, operations: Sequence[models.UpdateOperation]) -> list[models.UpdateResult]:
        self._collection(name).batch_update_points(operations)
        return [self._done() for _ in operations]

    def retrieve(self, name: str, request: models.PointRequest) -> list[models.Record]:
        with_payload = True if request.with_payload is None else request.with_payload
        return self._collection(name).retrieve(request.ids, with_payload, request.with_vector)

    def scroll(self, name: str, request: models.ScrollRequest) -> models.ScrollResult:
        order_by, offset = request.order_by, request.offset
        points, following = self._local.scroll(
            self._named(name),
            request.filter,
            10 if request.limit is None else request.limit,
            models.OrderBy(key=order_by) if isinstance(order_by, str) else order_by,
            str(offset) if isinstance(offset, UUID) else offset,
            True if request.with_payload is None else request.with_payload,
            request.with_vector,
        )
        return models.ScrollResult.model_construct(points=points, next_page_offset=following)

    def count(self, name: str, request: models.CountRequest) -> models.CountResult:
        return self._collection(name).count(request.filter)

    def facet(self, name: str, request: models.FacetRequest) -> models.FacetResponse:
        if request.key not in self._schemas[self._named(name)]:
            raise ValueError(f"No appropriate index for faceting: `{request.key}`. Please create one.")
        limit = 10 if request.limit is None else request.limit
        found = self._local.facet(self._named(name), request.key, request.filter, limit)
        if request.exact and request.filter is None:
            # The server counts each value that it finds in the field's index, which keeps those of deleted
            # points until it is rebuilt.
            found.hits.extend(self._gone(name, request.key, found.hits)[: limit - len(found.hits)])
        return found

    def query(self, name: str, request: models.QueryRequest) -> models.QueryResponse:
        found = self._local.query_points(self._named(name), offset=request.offset, **_asked(request))
        _round(found.points)
        return found

    def query_groups(self, name: str, request: models.QueryGroupsRequest) -> models.GroupsResult:
        found = self._local.query_points_groups(
            self._named(name),
            group_by=request.group_by,
            group_size=3 if request.group_size is None else request.group_size,
            with_lookup=request.with_lookup,
            **_asked(request),
        )
        _round([hit for group in found.groups for hit in group.hits])
        return found

    def _gone(self, name: str, key: str, there: Sequence[models.FacetValueHit]) -> list[models.FacetValueHit]:
        """Make the hits of the texts that only deleted points have: the emulation keeps their payload."""
        kept = {(payload or {}).get(key) for payload in self._collection(name).payload}
        gone = {value for value in kept if isinstance(value, str)} - {hit.value for hit in there}
        return [models.FacetValueHit(value=value, count=0) for value in sorted(gone)]


def _asked(request: models.QueryRequest | models.QueryGroupsRequest) -> dict[str, Any]:
    # The emulation warns of every search parameter but this one, as it always searches exactly.
    idf = request.params.idf if request.params is not None else None
    return {
        "query": _in_32_bits(request.query),
        "using": request.using,
        "prefetch": request.prefetch,
        "query_filter": request.filter,
        "search_params": None if idf is None else models.SearchParams(idf=idf),
        "limit": 10 if request.limit is None else request.limit,
        "with_payload": request.with_payload or False,
        "with_vectors": request.with_vector or False,
        "score_threshold": request.score_threshold,
        "lookup_from": request.lookup_from,
    }


def _selector(change: Any) -> Any:
    if change.points is None and change.filter is None:
        raise ValueError("Either list of point ids or filter must be provided")
    return change.points if change.points is not None else change.filter


def _in_32_bits(query: Any) -> Any:
    """Make the emulation measure distances in 32 bits as the server does: thresholds are compared to them."""
    nearest = query.nearest if isinstance(query, models.NearestQuery) else query
    if not isinstance(nearest, list):
        return query
    mmr = query.mmr if isinstance(query, models.NearestQuery) else None
    return models.NearestQuery.model_construct(nearest=np.asarray(nearest, np.float32), mmr=mmr)


def _round(points: Sequence[models.ScoredPoint]) -> None:
    for point in points:
        point.score = float(np.float32(point.score))
