"""Qdrant's gRPC API, over a store: the listener, and what every call goes through."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc, qdrant_pb2_grpc

from tests.support.qdrant_collections import RefusedError, key_refusal
from tests.support.qdrant_collections_service import CollectionsService, HealthService
from tests.support.qdrant_faults import Fault, Faults, Seen
from tests.support.qdrant_http import LOOPBACK
from tests.support.qdrant_points_service import PointsService
from tests.support.qdrant_store import QdrantStore

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_OPEN_TO_ALL = "/qdrant.Qdrant/HealthCheck"
_AT_ONCE = 8
_PATIENCE = 30.0
_Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class GrpcListener:
    """Answers calls on threads of its own, spoilt by `faults`."""

    def __init__(
        self, store: QdrantStore, api_key: str | None, faults: Faults, gone: Callable[[], None]
    ) -> None:
        self._store = store
        self._each = _EachCall(store, api_key, faults, gone)
        self._server: grpc.Server | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._stopped = threading.Event()

    def listen(self, port: int) -> None:
        if self._server is not None and not self._stopped.is_set():
            return
        self.refuse()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="qdrant-stand-in-grpc")
        # Without so_reuseport a second listener on the port is an error, not a sharer of its connections.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        self._server = grpc.server(self._threads, interceptors=[self._each], options=options)
        points_service_pb2_grpc.add_PointsServicer_to_server(PointsService(self._store), self._server)
        collections_service_pb2_grpc.add_CollectionsServicer_to_server(
            CollectionsService(self._store), self._server
        )
        qdrant_pb2_grpc.add_QdrantServicer_to_server(HealthService(), self._server)
        self._server.add_insecure_port(f"{LOOPBACK}:{port}")
        self._stopped = threading.Event()
        self._server.start()

    def close(self) -> None:
        """Be gone soon: refuse calls, and break those there are."""
        if self._server is not None:
            self._stopped.set()
            self._server.stop(grace=None)

    def refuse(self) -> None:
        """Be gone, when this returns."""
        if self._server is not None and self._threads is not None:
            self._server.stop(grace=None).wait(_PATIENCE)
            self._threads.shutdown()
        self._server = self._threads = None


class _EachCall(grpc.ServerInterceptor):
    """Checks the key, meets the faults, has the store alone, and turns refusals into statuses."""

    def __init__(
        self, store: QdrantStore, api_key: str | None, faults: Faults, gone: Callable[[], None]
    ) -> None:
        self._store = store
        self._api_key = api_key
        self._faults = faults
        self._gone = gone

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        behaviour, method = handler.unary_unary, handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._call(behaviour, method, request, context),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _call(self, behaviour: _Behaviour, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        fault = self._faults.meet(Seen("GRPC", method, size=request.ByteSize()))
        key = dict(context.invocation_metadata()).get("api-key")
        refusal = key_refusal(self._api_key, key)
        if refusal is not None and method != _OPEN_TO_ALL:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, refusal)
        if fault is not None and not fault.done:
            self._refuse(fault, context)
        try:
            with self._store.working():
                response = behaviour(request, context)
        except RefusedError as error:
            context.abort(_CODES.get(error.status, grpc.StatusCode.INTERNAL), error.message)
        return response if fault is None else self._late(fault, response, context)

    def _refuse(self, fault: Fault, context: grpc.ServicerContext) -> NoReturn:
        match fault.kind:
            case "status":
                if fault.retry_after is not None:
                    context.set_trailing_metadata((("retry-after", str(fault.retry_after)),))
                code = _CODES.get(fault.status, grpc.StatusCode.INTERNAL)
                context.abort(code, f"Spoilt by a test: {fault.status}")
            case "garbage":
                context.abort(grpc.StatusCode.UNKNOWN, "Received http2 header with status: 200")
            case "hang":
                _until_over(context)
            case "gone":
                self._gone()
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    def _late(self, fault: Fault, response: Any, context: grpc.ServicerContext) -> Any:
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return response
        if fault.kind == "half_stall":
            _until_over(context)
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return None


def _until_over(context: grpc.ServicerContext) -> None:
    """Wait until the caller has had enough, or the server stops."""
    over = threading.Event()
    if context.add_callback(over.set):
        over.wait(_PATIENCE)
