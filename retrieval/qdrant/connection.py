"""The way to a Qdrant server: its client, deadlines, retries, and its errors turned into ours.

gRPC where the server's gRPC port is open, else REST: gRPC moves vectors in a third of the bytes.
"""

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import ceil
from typing import TypeVar
from urllib.parse import urlsplit

import grpc
import httpx
import msgspec
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from retrieval.errors import IndexUnavailableError, VidsearchError
from retrieval.settings import QdrantSettings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

REST_PORT = 6333

METADATA_KEY = "vidsearch"
"""Under this key of a collection's metadata is what is ours: a manifest, a lock's holder, the log of runs."""

_PROBE_SECONDS = 0.3
_UNAUTHORIZED = frozenset({401, 403, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_CONFLICT = frozenset({409, grpc.StatusCode.ALREADY_EXISTS})
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_PASSING = frozenset(
    {
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)

_GRPC_OPTIONS = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.keepalive_time_ms": 30_000,
    # Channels to one address share a connection otherwise, and a new one would get the broken one back.
    "grpc.use_local_subchannel_pool": 1,
}
_REST_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=32)


class Patience(msgspec.Struct, frozen=True):
    """How long a call may take, in seconds, and after which pauses it is tried again."""

    seconds: float
    pauses: tuple[float, ...] = ()


SERVING = Patience(1.0)
"""A person waits: a search that cannot be answered at once is better refused."""

BATCH = Patience(60.0, pauses=(0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0, 30.0, 30.0))
"""Nobody waits, and every write may be repeated: a server that is moved to another machine, and reads a large
index there, must not end a run."""

CLEAN_UP = Patience(5.0)
"""What is not cleaned up now is by the next run, and whoever stops this one waits."""


class ServerError(IndexUnavailableError):
    """What the server, or the way to it, gave instead of an answer.

    `may_pass`: the same call may succeed later. `is_unreachable`: nobody answered at all. `is_conflict`: what
    was to be created is there already.
    """

    def __init__(
        self,
        message: str,
        *,
        may_pass: bool = False,
        is_unreachable: bool = False,
        is_conflict: bool = False,
    ) -> None:
        """Say it in `message`, for a person to read."""
        super().__init__(message)
        self.is_conflict = is_conflict
        self.may_pass = may_pass
        self.is_unreachable = is_unreachable


class QdrantConnection:
    """A client that is made when it is needed, and the calls through it. One event loop owns it."""

    def __init__(
        self, place: str, open_client: Callable[[], Awaitable[AsyncQdrantClient]], patience: Patience
    ) -> None:
        """Reach the server at `place`, which is for messages, through the client that `open_client` makes."""
        self.place = place
        self._open_client = open_client
        self._patience = patience
        self._client: AsyncQdrantClient | None = None
        self._opening = asyncio.Lock()
        self._retired: list[AsyncQdrantClient] = []
        self._closings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def call(
        self, ask: Callable[[AsyncQdrantClient], Awaitable[_T]], *, patience: Patience | None = None
    ) -> _T:
        """Ask the server something that may be asked twice, and wait for the answer.

        Raises ServerError where there is none in time, after as many tries as the patience allows: the
        connection's, or that of this call. What `ask` itself raises of ours passes through.
        """
        patience = patience or self._patience
        for pause in patience.pauses:
            try:
                return await self._try(ask, patience.seconds)
            except ServerError as e:
                if not e.may_pass:
                    raise
                _log.warning("%s Trying again in %g s.", e, pause)
                await asyncio.sleep(pause)
        return await self._try(ask, patience.seconds)

    async def close(self) -> None:
        """Close every client that was made; no call is answered after it."""
        self._is_closed = True
        for closing in self._closings:
            closing.cancel()
        await asyncio.gather(*self._closings, return_exceptions=True)
        for client in [*self._retired, *([self._client] if self._client else [])]:
            await _close(client)
        self._retired, self._client = [], None

    async def _try(self, ask: Callable[[AsyncQdrantClient], Awaitable[_T]], seconds: float) -> _T:
        client = None
        # The client's own limit is one of silence: a server that sends a byte now and then never reaches it.
        try:
            async with asyncio.timeout(seconds):
                client = await self._opened()
                return await ask(client)
        except VidsearchError:
            raise
        except TimeoutError as e:
            self._retire(client)
            raise ServerError(
                f"Qdrant at {self.place} did not answer within {seconds:g} s.", may_pass=True
            ) from e
        except Exception as e:
            # The client raises whatever its libraries raise, and none of that may reach a caller as it is.
            error = _as_server_error(e, self.place)
            if error.is_unreachable:
                self._retire(client)
            raise error from e

    async def _opened(self) -> AsyncQdrantClient:
        async with self._opening:
            if self._is_closed:
                raise ServerError(f"The connection to Qdrant at {self.place} is closed.")
            if self._client is None:
                self._client = await self._open_client()
            return self._client

    def _retire(self, client: AsyncQdrantClient | None) -> None:
        """Use another client from now on, and close this one once its other calls had their time.

        One over gRPC waits a minute for a server that vanished without a word, and longer and longer between
        its tries to reach one that is away; a new one tries at once, and chooses its wire anew.
        """
        if client is None or client is not self._client:
            return
        self._client = None
        self._retired.append(client)
        closing = asyncio.create_task(self._close_later(client))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)

    async def _close_later(self, client: AsyncQdrantClient) -> None:
        await asyncio.sleep(self._patience.seconds)
        self._retired.remove(client)
        await _close(client)


@asynccontextmanager
async def connected(settings: QdrantSettings, patience: Patience) -> AsyncIterator[QdrantConnection]:
    """Reach the server that the settings name; nothing is sent before the first call."""
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    port = parts.port or REST_PORT

    async def open_client() -> AsyncQdrantClient:
        use_grpc = await _is_open(host, settings.grpc_port)
        with warnings.catch_warnings():
            # That a key travels without TLS: between two containers on one network it does.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            return AsyncQdrantClient(
                url=settings.url,
                port=port,
                grpc_port=settings.grpc_port,
                prefer_grpc=use_grpc,
                api_key=settings.api_key,
                timeout=ceil(patience.seconds),
                grpc_options=dict(_GRPC_OPTIONS),
                check_compatibility=False,  # It would ask over the network, on a thread of its own.
                # Without TLS there is nothing to verify, and reading the authorities takes 30 ms.
                verify=parts.scheme == "https",
                # Several channels would each have to find out that a server is away.
                **{"pool_size": 1} if use_grpc else {"limits": _REST_LIMITS},
            )

    connection = QdrantConnection(f"{parts.scheme}://{_shown(host)}:{port}", open_client, patience)
    try:
        yield connection
    finally:
        await connection.close()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _close(client: AsyncQdrantClient) -> None:
    with warnings.catch_warnings():
        # A connection that broke says so with a warning when it is closed; it is closed all the same.
        warnings.simplefilter("ignore", UserWarning)
        await client.close()


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
    cause = error.source if isinstance(error, ResponseHandlingException) else error
    if isinstance(cause, httpx.TransportError | OSError) or status is grpc.StatusCode.UNAVAILABLE:
        told = "" if isinstance(cause, httpx.LocalProtocolError) else str(cause).rstrip(".")
        if isinstance(error, grpc.aio.AioRpcError):
            told = error.details() or ""
        return ServerError(
            f"Qdrant at {place} cannot be reached: {told or type(cause).__name__}.",
            may_pass=True,
            is_unreachable=True,
        )
    may_pass = (
        status in _PASSING
        or status == _TOO_MANY_REQUESTS
        or (isinstance(status, int) and status >= _SERVER_ERRORS)
        # An answer cut off, or one of a proxy: no JSON, or not what was asked for.
        or status is None
    )
    return ServerError(
        f"Qdrant at {place} failed: {_told_by(error)}",
        may_pass=may_pass,
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
