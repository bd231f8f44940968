"""Translates the errors of the Qdrant client and its libraries into ours."""

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from retrieval.errors import IndexUnavailableError

_UNAUTHORIZED = frozenset({401, 403, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_CONFLICT = frozenset({409, grpc.StatusCode.ALREADY_EXISTS})
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_TRANSIENT = frozenset(
    {
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)


class ServerError(IndexUnavailableError):
    """A call to the server failed.

    `is_transient`: the same call may succeed later. `is_unreachable`: there was no response at all.
    `is_conflict`: the collection to be created exists already.
    """

    def __init__(
        self,
        message: str,
        *,
        is_transient: bool = False,
        is_unreachable: bool = False,
        is_conflict: bool = False,
    ) -> None:
        super().__init__(message)
        self.is_transient = is_transient
        self.is_unreachable = is_unreachable
        self.is_conflict = is_conflict


def as_server_error(error: Exception, place: str) -> ServerError:
    """Translate an error that the client raised; the text contains nothing that was sent."""
    status = _status_of(error)
    if status in _UNAUTHORIZED:
        return ServerError(f"Qdrant at {place} refuses the key. Set QDRANT_API_KEY.")
    cause = error.source if isinstance(error, ResponseHandlingException) else error
    if isinstance(cause, httpx.TransportError | OSError) or status is grpc.StatusCode.UNAVAILABLE:
        reason = "" if isinstance(cause, httpx.LocalProtocolError) else str(cause).rstrip(".")
        if isinstance(error, grpc.aio.AioRpcError):
            reason = error.details() or ""
        return ServerError(
            f"Qdrant at {place} cannot be reached: {reason or type(cause).__name__}.",
            is_transient=True,
            is_unreachable=True,
        )
    is_transient = (
        status in _TRANSIENT
        or status == _TOO_MANY_REQUESTS
        or (isinstance(status, int) and status >= _SERVER_ERRORS)
        # A response that was cut off, or one from a proxy: not JSON, or not of the expected form.
        or status is None
    )
    return ServerError(
        f"Qdrant at {place} failed: {_reason_of(error)}",
        is_transient=is_transient,
        is_conflict=status in _CONFLICT,
    )


def _status_of(error: Exception) -> int | grpc.StatusCode | None:
    if isinstance(error, UnexpectedResponse):
        return error.status_code
    if isinstance(error, QdrantException):
        return _TOO_MANY_REQUESTS
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code()
    return None


def _reason_of(error: Exception) -> str:
    if isinstance(error, UnexpectedResponse):
        try:
            reason = error.structured()["status"]["error"]
        except (ValueError, KeyError, TypeError):
            reason = error.reason_phrase
        return f"{error.status_code} {reason}."
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name} {error.details()}."
    return f"its response cannot be read ({type(error).__name__})."
