"""Admission: how many searches run at once, and when new ones are refused with a 503.

`MAX_SEARCHES` is the capacity: as many searches as the machine answers without a backlog. Up to twice the
capacity may be in flight for any time, because so many clients that each wait for a response are no overload.
Short bursts of up to 8 times the capacity are accepted. If a backlog lasts longer than 150 ms, new searches
get a 503 until at most `MAX_SEARCHES` are in flight. After a second without refusals, bursts are accepted
again.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from api.server.response_headers import EXPOSED
from api.wire.problem_responses import ProblemResponder
from api.wire.route_table import route_of
from retrieval.errors import OverloadedError

BURST = 8
"""The limit of a short burst, as a multiple of the capacity."""

SUSTAINED = 2
"""The number of searches in flight above which there is a backlog, as a multiple of the capacity."""

BACKLOG_SECONDS = 0.15
"""A backlog that lasts longer is not a burst."""

CALM_SECONDS = 1.0
"""Bursts are accepted again after so long without a refusal."""


class Admission:
    """Counts the searches in flight, and decides whether to admit another. One event loop owns it."""

    def __init__(self, capacity: int, *, clock: Callable[[], float] = monotonic) -> None:
        """Admit `capacity` searches at a time under overload, and more in short bursts."""
        self._capacity = capacity
        self._clock = clock
        self._in_flight = 0
        self._no_backlog_at = clock()
        self._refused_at: float | None = None

    def acquire(self, permits: int) -> None:
        """Take permits, to be released later. Raises OverloadedError if there are not enough."""
        self.check(permits)
        self._in_flight += permits

    def check(self, permits: int) -> None:
        """Take no permits, but raise OverloadedError if there are not enough."""
        now = self._clock()
        if self._in_flight <= SUSTAINED * self._capacity:
            self._no_backlog_at = now
        if self._refused_at is not None and now - self._refused_at > CALM_SECONDS:
            self._refused_at = None
        is_overload = now - self._no_backlog_at > BACKLOG_SECONDS or self._refused_at is not None
        limit = self._capacity if is_overload else BURST * self._capacity
        # A request that needs more permits than the limit is admitted if nothing else is in flight.
        if self._in_flight and self._in_flight + permits > limit:
            self._refused_at = now
            raise OverloadedError("Too many searches are in flight. Try again shortly.")

    def release(self, permits: int) -> None:
        """Return permits."""
        self._in_flight -= permits


def admit_searches(
    app: ASGIApp,
    admission: Admission,
    draining: asyncio.Event,
    problems: ProblemResponder,
    cors: CORSConfig | None = None,
) -> ASGIApp:
    """Wrap an app so that searches beyond the limit are refused before any work is done for them.

    Once `draining` is set, every response closes its connection, so that the client connects to
    another instance.
    """

    async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        if draining.is_set():
            send = _closing_connection(send)
        # OPTIONS asks what a browser may send, and searches nothing.
        searches = 0 if scope["method"] == "OPTIONS" else route_of(scope).properties.searches
        if not searches:
            await app(scope, receive, send)
            return
        permit = _Permit(admission, searches)
        try:
            if scope["method"] == "POST":
                admission.check(searches)
                receive = permit.acquired_after_body(receive)
            else:
                permit.acquire()
        except OverloadedError:
            await problems.send(scope, send, OverloadedError, _cors_headers(scope, cors))
            return
        try:
            await app(scope, receive, permit.released_before_response(send))
        finally:
            permit.release()

    return admitted


class _Permit:
    """The permits of one request, held from the end of its body to the start of its response.

    A client that sends its body or reads its response slowly does not hold permits meanwhile.
    """

    __slots__ = ("_acquired", "_admission", "_searches")

    def __init__(self, admission: Admission, searches: int) -> None:
        self._admission = admission
        self._searches = searches
        self._acquired = 0

    def acquire(self) -> None:
        """Take the permits. Raises OverloadedError if there are not enough."""
        self._admission.acquire(self._searches)
        self._acquired = self._searches

    def release(self) -> None:
        """Return the permits, unless they were returned before."""
        self._admission.release(self._acquired)
        self._acquired = 0

    def acquired_after_body(self, receive: Receive) -> Receive:
        """Take the permits at the end of the body. `receive` may then raise OverloadedError in the app."""

        async def received() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body") and not self._acquired:
                self.acquire()
            return message

        return received

    def released_before_response(self, send: Send) -> Send:
        """Return the permits when the response starts, because its whole body is ready by then."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.release()
            await send(message)

        return sent


def _cors_headers(scope: Scope, cors: CORSConfig | None) -> list[tuple[bytes, bytes]]:
    """Let the pages of an allowed site read a refusal, which Litestar's CORS middleware does not see."""
    origin = dict(scope["headers"]).get(b"origin") if cors else None
    if cors is None or origin is None or not cors.is_origin_allowed(origin.decode("latin-1")):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
        (b"vary", b"Origin"),
    ]


def _closing_connection(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_and_close
