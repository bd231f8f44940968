"""Qdrant's gRPC services over the client's own emulation: each method converts a request and its response."""

# ruff: noqa: N802, ARG002 - the names and arguments are those of the generated services.

from typing import Any

from qdrant_client import QdrantClient, models
from qdrant_client import grpc as wire
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc

_COMPLETED = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


class CollectionsService(collections_service_pb2_grpc.CollectionsServicer):
    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    def Get(self, request: Any, context: Any) -> Any:
        info = self._client.get_collection(request.collection_name)
        # The conversion expects what a server sends, which is never None.
        info.config.metadata = info.config.metadata or {}
        return wire.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def List(self, request: Any, context: Any) -> Any:
        collections = self._client.get_collections().collections
        return wire.ListCollectionsResponse(
            collections=[RestToGrpc.convert_collection_description(one) for one in collections]
        )

    def CollectionExists(self, request: Any, context: Any) -> Any:
        exists = self._client.collection_exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    def Create(self, request: Any, context: Any) -> Any:
        self._client.create_collection(
            request.collection_name,
            vectors_config=_optional(request, "vectors_config", GrpcToRest.convert_vectors_config) or {},
            sparse_vectors_config=_optional(
                request, "sparse_vectors_config", GrpcToRest.convert_sparse_vector_config
            ),
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        return wire.CollectionOperationResponse(result=True)

    def Update(self, request: Any, context: Any) -> Any:
        metadata = GrpcToRest.convert_payload(request.metadata)
        self._client.update_collection(request.collection_name, metadata=metadata)
        return wire.CollectionOperationResponse(result=True)

    def Delete(self, request: Any, context: Any) -> Any:
        # A server accepts the name of a collection that does not exist; the emulation does not.
        exists = self._client.collection_exists(request.collection_name)
        deleted = exists and self._client.delete_collection(request.collection_name)
        return wire.CollectionOperationResponse(result=deleted)

    def UpdateAliases(self, request: Any, context: Any) -> Any:
        actions = [GrpcToRest.convert_alias_operations(action) for action in request.actions]
        return wire.CollectionOperationResponse(result=self._client.update_collection_aliases(actions))

    def ListAliases(self, request: Any, context: Any) -> Any:
        aliases = self._client.get_aliases().aliases
        return wire.ListAliasesResponse(
            aliases=[RestToGrpc.convert_alias_description(alias) for alias in aliases]
        )


class PointsService(points_service_pb2_grpc.PointsServicer):
    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    def Upsert(self, request: Any, context: Any) -> Any:
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        return _written(self._client.upsert(request.collection_name, points))

    def Delete(self, request: Any, context: Any) -> Any:
        selector = GrpcToRest.convert_points_selector(request.points)
        return _written(self._client.delete(request.collection_name, selector))

    def UpdateBatch(self, request: Any, context: Any) -> Any:
        operations = [GrpcToRest.convert_points_update_operation(one) for one in request.operations]
        results = self._client.batch_update_points(request.collection_name, operations)
        return wire.UpdateBatchResponse(result=[RestToGrpc.convert_update_result(one) for one in results])

    def CreateFieldIndex(self, request: Any, context: Any) -> Any:
        # The emulation has no payload indexes, and warns about each.
        return _written(_COMPLETED)

    def Get(self, request: Any, context: Any) -> Any:
        ids = [GrpcToRest.convert_point_id(one) for one in request.ids]
        records = self._client.retrieve(request.collection_name, ids, **_selected(request))
        return wire.GetResponse(result=[_record(record) for record in records])

    def Scroll(self, request: Any, context: Any) -> Any:
        records, offset = self._client.scroll(
            request.collection_name,
            scroll_filter=_optional(request, "filter", GrpcToRest.convert_filter),
            offset=_optional(request, "offset", GrpcToRest.convert_point_id),
            limit=_optional(request, "limit") or 10,
            order_by=_optional(request, "order_by", GrpcToRest.convert_order_by),
            **_selected(request),
        )
        return wire.ScrollResponse(
            result=[_record(record) for record in records],
            next_page_offset=None if offset is None else RestToGrpc.convert_extended_point_id(offset),
        )

    def Count(self, request: Any, context: Any) -> Any:
        counted = self._client.count(
            request.collection_name, _optional(request, "filter", GrpcToRest.convert_filter)
        )
        return wire.CountResponse(result=RestToGrpc.convert_count_result(counted))

    def Facet(self, request: Any, context: Any) -> Any:
        found = self._client.facet(
            request.collection_name,
            request.key,
            _optional(request, "filter", GrpcToRest.convert_filter),
            _optional(request, "limit") or 10,
        )
        return wire.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(hit) for hit in found.hits])

    def Query(self, request: Any, context: Any) -> Any:
        return wire.QueryResponse(result=self._query(request))

    def QueryBatch(self, request: Any, context: Any) -> Any:
        results = [self._query(one) for one in request.query_points]
        return wire.QueryBatchResponse(result=[wire.BatchResult(result=one) for one in results])

    def QueryGroups(self, request: Any, context: Any) -> Any:
        found = self._client.query_points_groups(
            request.collection_name,
            group_by=request.group_by,
            group_size=_optional(request, "group_size") or 3,
            **_query_arguments(request),
        )
        for hit in (hit for group in found.groups for hit in group.hits):
            hit.payload = hit.payload or {}
        return wire.QueryGroupsResponse(result=RestToGrpc.convert_groups_result(found))

    def _query(self, request: Any) -> list[Any]:
        offset = _optional(request, "offset") or 0
        found = self._client.query_points(request.collection_name, offset=offset, **_query_arguments(request))
        return [RestToGrpc.convert_scored_point(point) for point in found.points]


def _optional(request: Any, field: str, convert: Any = lambda value: value) -> Any:
    """Convert a field of a message, or return None if it is not set."""
    return convert(getattr(request, field)) if request.HasField(field) else None


def _selected(request: Any) -> dict[str, Any]:
    payload = _optional(request, "with_payload", GrpcToRest.convert_with_payload_interface)
    vectors = _optional(request, "with_vectors", GrpcToRest.convert_with_vectors_selector)
    return {"with_payload": payload or False, "with_vectors": vectors or False}


def _query_arguments(request: Any) -> dict[str, Any]:
    """Convert all but the search parameters, which only speed up a real server."""
    return {
        "prefetch": [GrpcToRest.convert_prefetch_query(one) for one in request.prefetch] or None,
        "query": _optional(request, "query", GrpcToRest.convert_query),
        "using": _optional(request, "using"),
        "query_filter": _optional(request, "filter", GrpcToRest.convert_filter),
        "score_threshold": _optional(request, "score_threshold"),
        "limit": _optional(request, "limit") or 10,
        **_selected(request),
    }


def _record(record: models.Record) -> Any:
    # A gRPC response cannot express "no payload" other than by an empty one.
    record.payload = record.payload or {}
    return RestToGrpc.convert_retrieved_point(record)


def _written(result: models.UpdateResult) -> Any:
    return wire.PointsOperationResponse(result=RestToGrpc.convert_update_result(result))
