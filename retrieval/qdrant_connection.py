"""The way to a Qdrant server: its client, deadlines, retries, and its errors turned into ours.

gRPC where the server's gRPC port is open, else REST: gRPC moves vectors in a third of the bytes.
"""

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import grpc
import httpx
import msgspec
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from retrieval.errors import IndexUnavailableError
from retrieval.settings import QdrantSettings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

REST_PORT = 6333
_PROBE_SECONDS = 0.3
_UNAUTHORIZED = frozenset({401, 403, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)

_GRPC_OPTIONS = {
    # Left to itself gRPC waits up to two minutes before it tries a server again that was away.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.keepalive_time_ms": 30_000,
}
_REST_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=32)


class Patience(msgspec.Struct, frozen=True):
    """How long a call may take, in seconds, and after which pauses it is tried again."""

    seconds: float
    pauses: tuple[float, ...] = ()


SERVING = Patience(1.0)
"""A person waits: a search that cannot be answered at once is better refused."""

BATCH = Patience(60.0, pauses=(0.5, 1.0, 2.0, 4.0, 8.0))
"""Nobody waits, and every write may be repeated: a server that is restarted must not end a run."""


class ServerError(IndexUnavailableError):
    """What the server, or the way to it, gave instead of an answer. `may_pass`: it may give one later."""

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        """Say it in `message`, for a person to read."""
        super().__init__(message)
        self.may_pass = may_pass


class QdrantConnection:
    """A client that is made when it is first needed, and the calls through it. One event loop owns it."""

    def __init__(
        self, place: str, open_client: Callable[[], Awaitable[AsyncQdrantClient]], patience: Patience
    ) -> None:
        """Reach the server at `place`, which is for messages, through the client that `open_client` makes."""
        self.place = place
        self._open_client = open_client
        self._patience = patience
        self._client: AsyncQdrantClient | None = None
        self._was_reached = False

    async def call(self, ask: Callable[[AsyncQdrantClient], Awaitable[_T]]) -> _T:
        """Ask the server something that may be asked twice, and wait for the answer.

        Raises ServerError where there is none in time, after as many tries as the patience allows.
        """
        for pause in self._patience.pauses:
            try:
                return await self._try(ask)
            except ServerError as e:
                if not e.may_pass:
                    raise
                _log.warning("%s Trying again in %g s.", e, pause)
                await asyncio.sleep(pause)
        return await self._try(ask)

    async def close(self) -> None:
        """Close the client, if one was made."""
        if self._client:
            client, self._client = self._client, None
            with warnings.catch_warnings():
                # A connection that broke says so with a warning when it is closed; it is closed all the same.
                warnings.simplefilter("ignore", UserWarning)
                await client.close()

    async def _try(self, ask: Callable[[AsyncQdrantClient], Awaitable[_T]]) -> _T:
        # The client's own limit is one of silence: a server that sends a byte now and then never reaches it.
        try:
            async with asyncio.timeout(self._patience.seconds):
                if self._client is None:
                    self._client = await self._open_client()
                answer = await ask(self._client)
        except TimeoutError as e:
            await self._forget_client()
            problem = f"did not answer within {self._patience.seconds:g} s"
            raise ServerError(f"Qdrant at {self.place} {problem}.", may_pass=True) from e
        except (ApiException, QdrantException, grpc.RpcError, OSError, ValueError) as e:
            await self._forget_client()
            raise _as_server_error(e, self.place) from e
        self._was_reached = True
        return answer

    async def _forget_client(self) -> None:
        """Choose again between gRPC and REST, as long as nobody was there to choose between."""
        if not self._was_reached:
            await self.close()


@asynccontextmanager
async def connected(settings: QdrantSettings, patience: Patience) -> AsyncIterator[QdrantConnection]:
    """Reach the server that the settings name; nothing is sent before the first call."""

    async def open_client() -> AsyncQdrantClient:
        parts = urlsplit(settings.url)
        use_grpc = await _is_open(parts.hostname or "", settings.grpc_port)
        with warnings.catch_warnings():
            # That a key travels without TLS: between two containers on one network it does.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            return AsyncQdrantClient(
                url=settings.url,
                port=parts.port or REST_PORT,
                grpc_port=settings.grpc_port,
                prefer_grpc=use_grpc,
                api_key=settings.api_key,
                timeout=int(patience.seconds),
                grpc_options=dict(_GRPC_OPTIONS),
                # Of several channels each would wait by itself until it tries a lost server again, and a
                # search uses them in turn.
                **{"pool_size": 1} if use_grpc else {"limits": _REST_LIMITS},
                check_compatibility=False,  # It would ask over the network, on a thread of its own.
            )

    connection = QdrantConnection(settings.url, open_client, patience)
    try:
        yield connection
    finally:
        await connection.close()


async def _is_open(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _as_server_error(error: Exception, place: str) -> ServerError:
    """Turn what the client raises into ours; nothing that was sent is in the text."""
    status = _status_of(error)
    if status in _UNAUTHORIZED:
        return ServerError(f"Qdrant at {place} refuses the key. Set QDRANT_API_KEY.")
    if isinstance(error, ResponseHandlingException) and isinstance(error.source, httpx.HTTPError):
        told = str(error.source).rstrip(".") or type(error.source).__name__
        return ServerError(f"Qdrant at {place} cannot be reached: {told}.", may_pass=True)
    if isinstance(error, OSError):
        return ServerError(f"Qdrant at {place} cannot be reached: {error}.", may_pass=True)
    told = _told_by(error)
    may_pass = (
        status in _PASSING
        or status == _TOO_MANY_REQUESTS
        or (isinstance(status, int) and status >= _SERVER_ERRORS)
        # An answer cut off, or one of a proxy: no JSON, or not what was asked for.
        or status is None
    )
    return ServerError(f"Qdrant at {place} failed: {told}", may_pass=may_pass)


def _status_of(error: Exception) -> int | grpc.StatusCode | None:
    if isinstance(error, UnexpectedResponse):
        return error.status_code
    if isinstance(error, QdrantException):
        return _TOO_MANY_REQUESTS
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code()
    return None


def _told_by(error: Exception) -> str:
    if isinstance(error, UnexpectedResponse):
        try:
            reason = error.structured()["status"]["error"]
        except (ValueError, KeyError, TypeError):
            reason = error.reason_phrase
        return f"{error.status_code} {reason}."
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name} {error.details()}."
    return f"its answer makes no sense ({type(error).__name__})."
