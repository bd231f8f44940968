"""How much is searched at a time, and what is refused at once: waiting helps nobody once a line only grows.

A burst is let in: it is over in a moment. A line that stays is not a burst, so after a while of it searches
are refused until as few are under way as the machine answers without a line. As many again may be under way
for as long as they like before that: so many callers who each wait for their answer are no overload.
"""

from collections.abc import Callable
from time import monotonic

from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from api.observability.readiness import Draining
from api.pages.pages import path_of
from api.routes.search import AT_ONCE
from api.server.response_headers import EXPOSED
from api.wire.problems import PROBLEM, kind_of, send_problem
from retrieval.errors import OverloadedError

BURST = 8
"""Times as many as are answered at a time may be under way for a moment."""

LINE = 2
"""Times as many as are answered at a time may be under way without being a line."""

STANDING_SECONDS = 0.15
"""A line that stands for so long is there to stay."""

CALM_SECONDS = 1.0
"""After so long without a refusal the next burst is let in again."""

_SEARCHES = frozenset({"/search", "/app/search"})
_BELOW_ARE_SEARCHES = ("/v1/", "/app/videos/")


class Admission:
    """Counts the searches under way, and says whether there is room for another. One event loop owns it."""

    def __init__(self, places: int, *, clock: Callable[[], float] = monotonic) -> None:
        """Let `places` searches in at a time while there are too many, and more for a moment before that."""
        self._places = places
        self._in_order = LINE * places
        self._burst = BURST * places
        self._clock = clock
        self._taken = 0
        self._in_order_at = clock()
        self._refused_at: float | None = None

    def take(self, places: int) -> None:
        """Take places, to be given back. Raises OverloadedError where there is no room."""
        self.look(places)
        self._taken += places

    def look(self, places: int) -> None:
        """Take none yet, but raise OverloadedError where there is no room for so many."""
        now = self._clock()
        if self._taken <= self._in_order:
            self._in_order_at = now
        if self._refused_at is not None and now - self._refused_at > CALM_SECONDS:
            self._refused_at = None
        stands = now - self._in_order_at > STANDING_SECONDS
        limit = self._places if stands or self._refused_at is not None else self._burst
        # Whatever is larger than the limit is let in where nothing else is.
        if self._taken and self._taken + places > limit:
            self._refused_at = now
            raise OverloadedError("Too many searches are under way. Try again in a moment.")

    def give_back(self, places: int) -> None:
        """Give places back."""
        self._taken -= places


def admit_searches(
    app: ASGIApp, admission: Admission, draining: Draining, cors: CORSConfig | None = None
) -> ASGIApp:
    """Wrap an app so that what there is no room for is refused before any work is done for it.

    While the service is draining, each answer asks the client to connect anew next time: to another process.
    """

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        if draining.has_begun:
            send = _closing(send)
        places = _places_of(scope)
        if not places:
            await app(scope, receive, send)
            return
        stay = _Stay(admission, places)
        try:
            if scope["method"] == "POST":
                admission.look(places)
                receive = stay.from_whole_body(receive)
            else:
                stay.begin()
        except OverloadedError:
            scope.setdefault("state", {})[PROBLEM] = kind_of(OverloadedError).code
            await send_problem(scope, send, OverloadedError, _for_allowed_site(scope, cors))
            return
        try:
            await app(scope, receive, stay.until_answer(send))
        finally:
            stay.end()

    return route


class _Stay:
    """One request's places: from when all of it is there until its answer is, and no longer.

    However slowly a body is sent or an answer read, the others need not wait for that.
    """

    __slots__ = ("_admission", "_places", "_taken")

    def __init__(self, admission: Admission, places: int) -> None:
        self._admission = admission
        self._places = places
        self._taken = 0

    def begin(self) -> None:
        """Take the places. Raises OverloadedError where there is no room."""
        self._admission.take(self._places)
        self._taken = self._places

    def end(self) -> None:
        """Give back what was taken and is not given back yet."""
        self._admission.give_back(self._taken)
        self._taken = 0

    def from_whole_body(self, receive: Receive) -> Receive:
        """Begin with the end of the body; that may raise OverloadedError, which is answered as any other."""

        async def received() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body") and not self._taken:
                self.begin()
            return message

        return received

    def until_answer(self, send: Send) -> Send:
        """End with the beginning of the answer, which is all there by then."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.end()
            await send(message)

        return sent


def _places_of(scope: HTTPScope) -> int:
    """Say how many searches a request is; 0 where it is none, as a browser's question what it may ask."""
    path = path_of(scope)
    if scope["method"] == "OPTIONS":
        return 0
    if path == "/v1/search/batch":
        return AT_ONCE
    return 1 if path in _SEARCHES or path.startswith(_BELOW_ARE_SEARCHES) else 0


def _for_allowed_site(scope: Scope, cors: CORSConfig | None) -> list[tuple[bytes, bytes]]:
    """Let the page of an allowed site read a refusal, which never gets to what answers for other sites."""
    origin = dict(scope["headers"]).get(b"origin") if cors else None
    if cors is None or origin is None or not cors.is_origin_allowed(origin.decode("latin-1")):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
        (b"vary", b"Origin"),
    ]


def _closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_and_close
