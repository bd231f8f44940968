"""A stand-in for a Qdrant server: the Qdrant client's own emulation behind the gRPC API on a loopback port.

It has the calls that this product makes, and compares every point instead of building indexes. It has no REST
API: its REST port refuses connections, unless a test listens there with a `broken_socket`.
"""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
from qdrant_client import QdrantClient
from qdrant_client.common import client_warnings
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc

from tests.support.qdrant_faults import LOOPBACK, Call, Fault, Faults
from tests.support.qdrant_services import CollectionsService, PointsService

_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_THREADS = 8
_LONGEST = 60.0
"""Seconds after which a listener that does not stop is reported as stuck."""

# The emulation warns once per process that it is slow with many points.
client_warnings.SEEN_MESSAGES.add("large-local-collection")


class QdrantServer:
    """Answers calls inside a `with` block; entered again, it still has its points.

    `port` (REST) and `grpc_port` stay reserved inside the block, also while the server refuses connections.
    """

    def __init__(self, *, api_key: str | None = None) -> None:
        self.faults = Faults()
        self.client = QdrantClient(":memory:")
        """The emulation, for tests that read or change the stored points. Hold `lock` to use it."""
        self.lock = threading.RLock()
        self._api_key = api_key
        self._server: grpc.Server | None = None
        self._stopping = threading.Event()
        self.port = self.grpc_port = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def calls(self) -> list[Call]:
        """Every call since the last `faults.forget`, in order."""
        return self.faults.calls

    def __enter__(self) -> Self:
        with ExitStack() as reserved:
            self.port, self.grpc_port = (
                _reserve_port(reserved, port) for port in (self.port, self.grpc_port)
            )
            self._reserved = reserved.pop_all()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._reserved.close()

    def listen(self) -> None:
        """Answer calls, with the same points on the same port; does nothing if it does already."""
        if self._server is not None and not self._stopping.is_set():
            return
        self.refuse()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="qdrant-stand-in")
        # Without so_reuseport a second listener on the port is an error instead of sharing its connections.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        self._server = grpc.server(self._threads, interceptors=[_Interceptor(self)], options=options)
        points_service_pb2_grpc.add_PointsServicer_to_server(PointsService(self.client), self._server)
        collections_service_pb2_grpc.add_CollectionsServicer_to_server(
            CollectionsService(self.client), self._server
        )
        self._server.add_insecure_port(f"{LOOPBACK}:{self.grpc_port}")
        self._stopping = threading.Event()
        self._server.start()

    def recover(self) -> None:
        """Switch every fault off, and answer calls again."""
        self.faults.clear()
        self.listen()

    def refuse(self) -> None:
        """Break every connection and refuse new ones, until `listen`."""
        if self._server is not None:
            self._server.stop(grace=None).wait(_LONGEST)
            self._threads.shutdown()
        self._server = None

    def refuse_from_a_call(self) -> None:
        """Refuse connections, from the middle of a call, which cannot wait for its own end."""
        if self._server is not None:
            self._stopping.set()
            self._server.stop(grace=None)

    def rejects_key(self, key: str | None) -> bool:
        return self._api_key is not None and key != self._api_key


class _Interceptor(grpc.ServerInterceptor):
    """Checks the key, applies the faults, and turns the emulation's errors into statuses."""

    def __init__(self, server: QdrantServer) -> None:
        self._server = server

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        path = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(handler.unary_unary, path, request, context),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _answer(
        self, behaviour: Callable[..., Any], path: str, request: Any, context: grpc.ServicerContext
    ) -> Any:
        fault = self._server.faults.next_for(Call(path, getattr(request, "collection_name", "")))
        if self._server.rejects_key(dict(context.invocation_metadata()).get("api-key")):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")
        if fault is not None and not fault.executed:
            self._fail(fault, context)
        try:
            with self._server.lock:
                response = behaviour(request, context)
        except ValueError as error:
            context.abort(_code_of(error), f"Wrong input: {error}")
        except Exception as error:  # noqa: BLE001 - a server answers INTERNAL whatever went wrong.
            context.abort(grpc.StatusCode.INTERNAL, f"Service internal error: {error!r}")
        if fault is not None and fault.kind == "late":
            time.sleep(fault.seconds)
        elif fault is not None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return response

    def _fail(self, fault: Fault, context: grpc.ServicerContext) -> NoReturn:
        match fault.kind:
            case "status":
                if fault.retry_after is not None:
                    context.set_trailing_metadata((("retry-after", str(fault.retry_after)),))
                code = _CODES.get(fault.status, grpc.StatusCode.INTERNAL)
                context.abort(code, f"A fault that a test switched on: {fault.status}")
            case "hang":
                over = threading.Event()
                if context.add_callback(over.set):
                    over.wait(_LONGEST)
            case "gone":
                self._server.refuse_from_a_call()
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def _code_of(error: ValueError) -> grpc.StatusCode:
    text = str(error)
    if "already exists" in text:
        return grpc.StatusCode.ALREADY_EXISTS
    return grpc.StatusCode.NOT_FOUND if "not found" in text else grpc.StatusCode.INVALID_ARGUMENT


def _reserve_port(reserved: ExitStack, port: int) -> int:
    """Bind a loopback port without listening on it, 0 for a free one; connections to it are refused.

    The server can still listen on it, as both sockets allow the address to be reused.
    """
    holder = reserved.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((LOOPBACK, port))
    bound: int = holder.getsockname()[1]
    return bound
