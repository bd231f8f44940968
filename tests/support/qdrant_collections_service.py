"""Qdrant's gRPC services about the server and its collections, over a store."""

# ruff: noqa: N802, ARG002 - the names and arguments are those of the generated services.

from typing import Any, TypeAlias

import grpc
from qdrant_client import grpc as wire
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc import collections_service_pb2_grpc, qdrant_pb2_grpc
from qdrant_client.http import models

from tests.support.qdrant_collections import VERSION
from tests.support.qdrant_store import QdrantStore

_Context: TypeAlias = grpc.ServicerContext


class HealthService(qdrant_pb2_grpc.QdrantServicer):
    def HealthCheck(self, request: Any, context: _Context) -> Any:
        return wire.HealthCheckReply(title="qdrant - vector search engine", version=VERSION)


class CollectionsService(collections_service_pb2_grpc.CollectionsServicer):
    def __init__(self, store: QdrantStore) -> None:
        self._store = store

    def Get(self, request: Any, context: _Context) -> Any:
        info = self._store.info(request.collection_name)
        # The conversion takes no None here, where it is written for what the server sends.
        info.config.metadata = info.config.metadata or {}
        return wire.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def List(self, request: Any, context: _Context) -> Any:
        found = self._store.collections().collections
        return wire.ListCollectionsResponse(
            collections=[RestToGrpc.convert_collection_description(one) for one in found]
        )

    def CollectionExists(self, request: Any, context: _Context) -> Any:
        exists = self._store.exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    def Create(self, request: Any, context: _Context) -> Any:
        config = models.CreateCollection(
            vectors=given(request, "vectors_config", GrpcToRest.convert_vectors_config),
            sparse_vectors=given(request, "sparse_vectors_config", GrpcToRest.convert_sparse_vector_config),
            hnsw_config=given(request, "hnsw_config", GrpcToRest.convert_hnsw_config_diff),
            optimizers_config=given(request, "optimizers_config", GrpcToRest.convert_optimizers_config_diff),
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        return _operated(done=self._store.create(request.collection_name, config))

    def Update(self, request: Any, context: _Context) -> Any:
        change = GrpcToRest.convert_update_collection(request)
        return _operated(done=self._store.update(request.collection_name, change))

    def Delete(self, request: Any, context: _Context) -> Any:
        return _operated(done=self._store.drop(request.collection_name))

    def UpdateAliases(self, request: Any, context: _Context) -> Any:
        actions = [GrpcToRest.convert_alias_operations(action) for action in request.actions]
        return _operated(done=self._store.change_aliases(actions))

    def ListAliases(self, request: Any, context: _Context) -> Any:
        return _aliases(self._store.aliases())

    def ListCollectionAliases(self, request: Any, context: _Context) -> Any:
        return _aliases(self._store.aliases(request.collection_name))


def given(request: Any, field: str, convert: Any = lambda value: value) -> Any:
    """Convert a field of a message, or say None where it is not set."""
    return convert(getattr(request, field)) if request.HasField(field) else None


def _aliases(found: models.CollectionsAliasesResponse) -> Any:
    return wire.ListAliasesResponse(
        aliases=[RestToGrpc.convert_alias_description(alias) for alias in found.aliases]
    )


def _operated(*, done: bool) -> Any:
    return wire.CollectionOperationResponse(result=done)
