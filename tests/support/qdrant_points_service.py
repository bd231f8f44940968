"""Qdrant's gRPC service about points, over a store."""

# ruff: noqa: N802, ARG002 - the names and arguments are those of the generated services.

from typing import Any, TypeAlias

import grpc
from qdrant_client import grpc as wire
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc, grpc_field_type_to_payload_schema
from qdrant_client.grpc import points_service_pb2_grpc
from qdrant_client.http import models

from tests.support.qdrant_collections_service import given
from tests.support.qdrant_store import QdrantStore

_Context: TypeAlias = grpc.ServicerContext


class PointsService(points_service_pb2_grpc.PointsServicer):
    def __init__(self, store: QdrantStore) -> None:
        self._store = store

    def Upsert(self, request: Any, context: _Context) -> Any:
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        update_filter = given(request, "update_filter", GrpcToRest.convert_filter)
        mode = given(request, "update_mode", GrpcToRest.convert_update_mode)
        return _written(request, self._store.upsert(request.collection_name, points, update_filter, mode))

    def Delete(self, request: Any, context: _Context) -> Any:
        selector = GrpcToRest.convert_points_selector(request.points)
        return _written(request, self._store.delete(request.collection_name, selector))

    def SetPayload(self, request: Any, context: _Context) -> Any:
        return _written(request, self._store.set_payload(request.collection_name, _payload_change(request)))

    def OverwritePayload(self, request: Any, context: _Context) -> Any:
        change = _payload_change(request)
        return _written(request, self._store.overwrite_payload(request.collection_name, change))

    def DeletePayload(self, request: Any, context: _Context) -> Any:
        change = models.DeletePayload(keys=list(request.keys), **_selected(request))
        return _written(request, self._store.delete_payload(request.collection_name, change))

    def ClearPayload(self, request: Any, context: _Context) -> Any:
        selector = GrpcToRest.convert_points_selector(request.points)
        return _written(request, self._store.clear_payload(request.collection_name, selector))

    def UpdateVectors(self, request: Any, context: _Context) -> Any:
        points = [GrpcToRest.convert_point_vectors(point) for point in request.points]
        update_filter = given(request, "update_filter", GrpcToRest.convert_filter)
        change = models.UpdateVectors(points=points, update_filter=update_filter)
        return _written(request, self._store.update_vectors(request.collection_name, change))

    def DeleteVectors(self, request: Any, context: _Context) -> Any:
        change = models.DeleteVectors(vector=list(request.vectors.names), **_selected(request))
        return _written(request, self._store.delete_vectors(request.collection_name, change))

    def UpdateBatch(self, request: Any, context: _Context) -> Any:
        operations = [GrpcToRest.convert_points_update_operation(one) for one in request.operations]
        results = self._store.batch(request.collection_name, operations)
        return wire.UpdateBatchResponse(result=[_update_result(request, result) for result in results])

    def CreateFieldIndex(self, request: Any, context: _Context) -> Any:
        schema = given(request, "field_index_params", GrpcToRest.convert_payload_schema_params)
        if schema is None and request.HasField("field_type"):
            plain = grpc_field_type_to_payload_schema(request.field_type)
            schema = GrpcToRest.convert_payload_schema_type(plain)
        index = models.CreateFieldIndex(field_name=request.field_name, field_schema=schema)
        return _written(request, self._store.create_index(request.collection_name, index))

    def DeleteFieldIndex(self, request: Any, context: _Context) -> Any:
        return _written(request, self._store.delete_index(request.collection_name, request.field_name))

    def Get(self, request: Any, context: _Context) -> Any:
        ids = [GrpcToRest.convert_point_id(one) for one in request.ids]
        records = self._store.retrieve(
            request.collection_name, models.PointRequest(ids=ids, **_wanted(request))
        )
        return wire.GetResponse(result=[_record(record) for record in records])

    def Scroll(self, request: Any, context: _Context) -> Any:
        asked = models.ScrollRequest(
            filter=given(request, "filter", GrpcToRest.convert_filter),
            offset=given(request, "offset", GrpcToRest.convert_point_id),
            limit=given(request, "limit"),
            order_by=given(request, "order_by", GrpcToRest.convert_order_by),
            **_wanted(request),
        )
        found = self._store.scroll(request.collection_name, asked)
        following = found.next_page_offset
        return wire.ScrollResponse(
            result=[_record(record) for record in found.points],
            next_page_offset=None if following is None else RestToGrpc.convert_extended_point_id(following),
        )

    def Count(self, request: Any, context: _Context) -> Any:
        asked = models.CountRequest(filter=given(request, "filter", GrpcToRest.convert_filter))
        counted = self._store.count(request.collection_name, asked)
        return wire.CountResponse(result=RestToGrpc.convert_count_result(counted))

    def Facet(self, request: Any, context: _Context) -> Any:
        asked = models.FacetRequest(
            key=request.key,
            filter=given(request, "filter", GrpcToRest.convert_filter),
            limit=given(request, "limit"),
            exact=given(request, "exact"),
        )
        found = self._store.facet(request.collection_name, asked)
        return wire.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(hit) for hit in found.hits])

    def Query(self, request: Any, context: _Context) -> Any:
        found = self._store.query(request.collection_name, GrpcToRest.convert_query_points(request))
        return wire.QueryResponse(result=_scored(found))

    def QueryBatch(self, request: Any, context: _Context) -> Any:
        asked = [GrpcToRest.convert_query_points(one) for one in request.query_points]
        found = [self._store.query(request.collection_name, one) for one in asked]
        return wire.QueryBatchResponse(result=[wire.BatchResult(result=_scored(one)) for one in found])

    def QueryGroups(self, request: Any, context: _Context) -> Any:
        asked = models.QueryGroupsRequest(
            prefetch=[GrpcToRest.convert_prefetch_query(one) for one in request.prefetch] or None,
            query=given(request, "query", GrpcToRest.convert_query),
            using=given(request, "using"),
            filter=given(request, "filter", GrpcToRest.convert_filter),
            params=given(request, "params", GrpcToRest.convert_search_params),
            score_threshold=given(request, "score_threshold"),
            limit=given(request, "limit"),
            group_size=given(request, "group_size"),
            group_by=request.group_by,
            with_lookup=given(request, "with_lookup", GrpcToRest.convert_with_lookup),
            lookup_from=given(request, "lookup_from", GrpcToRest.convert_lookup_location),
            **_wanted(request),
        )
        found = self._store.query_groups(request.collection_name, asked)
        for group in found.groups:
            for hit in group.hits:
                hit.payload = hit.payload or {}
        return wire.QueryGroupsResponse(result=RestToGrpc.convert_groups_result(found))


def _wanted(request: Any) -> dict[str, Any]:
    return {
        "with_payload": given(request, "with_payload", GrpcToRest.convert_with_payload_interface),
        "with_vector": given(request, "with_vectors", GrpcToRest.convert_with_vectors_selector),
    }


def _selected(request: Any) -> dict[str, Any]:
    selector = GrpcToRest.convert_points_selector(request.points_selector)
    if isinstance(selector, models.PointIdsList):
        return {"points": selector.points}
    return {"filter": selector.filter}


def _payload_change(request: Any) -> models.SetPayload:
    payload = GrpcToRest.convert_payload(request.payload)
    return models.SetPayload(payload=payload, key=given(request, "key"), **_selected(request))


def _record(record: models.Record) -> Any:
    # A gRPC answer has no way to say "no payload" other than an empty one.
    record.payload = record.payload or {}
    return RestToGrpc.convert_retrieved_point(record)


def _scored(found: models.QueryResponse) -> list[Any]:
    return [RestToGrpc.convert_scored_point(point) for point in found.points]


def _update_result(request: Any, result: models.UpdateResult) -> Any:
    if not request.wait:
        result.status = models.UpdateStatus.ACKNOWLEDGED
    return RestToGrpc.convert_update_result(result)


def _written(request: Any, result: models.UpdateResult) -> Any:
    return wire.PointsOperationResponse(result=_update_result(request, result))
