"""The connection to a Qdrant server: its client, timeouts and retries.

It uses gRPC if the server's gRPC port is open, else REST: gRPC sends vectors in a third of the bytes.
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

import httpx
import msgspec
from qdrant_client import AsyncQdrantClient
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential

from retrieval.errors import VidsearchError
from retrieval.qdrant.errors import ServerError, as_server_error
from retrieval.settings import QdrantSettings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

REST_PORT = 6333

METADATA_KEY = "vidsearch"
"""The key of our data in a collection's metadata: a manifest, the holder of a lock, or the log of runs."""

_PROBE_SECONDS = 0.3

_GRPC_OPTIONS = {
    "grpc.initial_reconnect_backoff_ms": 100,
    # The time limit of an attempt, not a pause between attempts: a busy or distant server needs longer.
    "grpc.min_reconnect_backoff_ms": 5_000,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.keepalive_time_ms": 30_000,
    # By default, channels to one address share a connection, and a new channel would get the broken one back.
    "grpc.use_local_subchannel_pool": 1,
}
_REST_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=32)


class CallPolicy(msgspec.Struct, frozen=True):
    """The timeout of one attempt in seconds, the number of attempts, and the pauses between them in seconds.

    The pause doubles after each attempt, from `first_pause` up to `longest_pause`.
    """

    seconds: float
    attempts: int = 1
    first_pause: float = 0.5
    longest_pause: float = 30.0


SERVING = CallPolicy(1.0)
"""For searches: a person waits, so a search that cannot be answered at once is refused."""

BATCH = CallPolicy(60.0, attempts=12)
"""For ingest: every write may be repeated. A server that moves to another machine, and loads a large index
there, must not end a run."""

CLEAN_UP = CallPolicy(5.0)
"""For deletions that the next run repeats: a user who stops this run waits for them."""


class QdrantConnection:
    """A client that is created when it is needed, and the calls through it. One event loop owns it."""

    def __init__(
        self, place: str, open_client: Callable[[], Awaitable[AsyncQdrantClient]], policy: CallPolicy
    ) -> None:
        """Call the server through clients that `open_client` creates; `place` is its address for messages."""
        self.place = place
        self._open_client = open_client
        self._policy = policy
        self._client: AsyncQdrantClient | None = None
        self._opening = asyncio.Lock()
        self._retired: list[AsyncQdrantClient] = []
        self._closings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def call(
        self, request: Callable[[AsyncQdrantClient], Awaitable[_T]], *, policy: CallPolicy | None = None
    ) -> _T:
        """Send an idempotent request and return its result.

        `policy` replaces the connection's own for this call. Raises ServerError if no attempt succeeds. Our
        own errors that `request` raises pass through.
        """
        policy = policy or self._policy
        if policy.attempts == 1:
            return await self._attempt(request, policy.seconds)
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(policy.attempts),
            wait=wait_exponential(multiplier=policy.first_pause, max=policy.longest_pause),
            before_sleep=_log_retry,
            reraise=True,
        )
        return await retrying(self._attempt, request, policy.seconds)

    async def close(self) -> None:
        """Close every client; later calls fail."""
        self._is_closed = True
        for closing in self._closings:
            closing.cancel()
        await asyncio.gather(*self._closings, return_exceptions=True)
        for client in [*self._retired, *([self._client] if self._client else [])]:
            await _close(client)
        self._retired, self._client = [], None

    async def _attempt(self, request: Callable[[AsyncQdrantClient], Awaitable[_T]], seconds: float) -> _T:
        client = None
        # The client's own timeout measures silence: a server that sends a byte now and then never reaches it.
        try:
            async with asyncio.timeout(seconds):
                client = await self._opened()
                return await request(client)
        except VidsearchError:
            raise
        except TimeoutError as e:
            self._retire(client)
            raise ServerError(
                f"Qdrant at {self.place} did not answer within {seconds:g} s.", is_transient=True
            ) from e
        except Exception as e:
            # The client raises the errors of its libraries, and none of them may reach a caller.
            error = as_server_error(e, self.place)
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
        """Use a new client from now on, and close this one after its other calls have ended or timed out.

        A gRPC client waits a minute for a server that vanished silently, and longer and longer between its
        attempts to reconnect. A new one tries at once, and chooses between gRPC and REST again.
        """
        if client is None or client is not self._client:
            return
        self._client = None
        self._retired.append(client)
        closing = asyncio.create_task(self._close_later(client))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)

    async def _close_later(self, client: AsyncQdrantClient) -> None:
        await asyncio.sleep(self._policy.seconds)
        self._retired.remove(client)
        await _close(client)


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, ServerError) and error.is_transient


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.warning("%s Trying again in %g s.", error, state.upcoming_sleep)


@asynccontextmanager
async def connected(settings: QdrantSettings, policy: CallPolicy) -> AsyncIterator[QdrantConnection]:
    """Connect to the server in the settings; nothing is sent before the first call."""
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    port = parts.port or REST_PORT

    async def open_client() -> AsyncQdrantClient:
        use_grpc = await _is_open(host, settings.grpc_port)
        with warnings.catch_warnings():
            # The client warns about a key without TLS, which is normal between two containers on one network.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            return AsyncQdrantClient(
                url=settings.url,
                port=port,
                grpc_port=settings.grpc_port,
                prefer_grpc=use_grpc,
                api_key=settings.api_key,
                timeout=ceil(policy.seconds),
                grpc_options=dict(_GRPC_OPTIONS),
                check_compatibility=False,  # The check would block on the network in a thread of its own.
                # Without TLS there is nothing to verify, and loading the certificates takes 30 ms.
                verify=parts.scheme == "https",
                # With several channels, each would have to detect separately that the server is down.
                **{"pool_size": 1} if use_grpc else {"limits": _REST_LIMITS},
            )

    address = f"[{host}]" if ":" in host else host
    connection = QdrantConnection(f"{parts.scheme}://{address}:{port}", open_client, policy)
    try:
        yield connection
    finally:
        await connection.close()


async def _close(client: AsyncQdrantClient) -> None:
    with warnings.catch_warnings():
        # A broken connection warns when it is closed; it is closed all the same.
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
