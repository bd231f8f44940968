"""How much is searched at a time, and what is refused at once: waiting helps nobody once a line only grows.

A burst is let in: it is over in a moment. A line that stays is not a burst, so after a while of it searches
are refused until as few are under way as the machine answers without a line.
"""

from collections.abc import Callable
from time import monotonic

from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.draining import Draining
from api.pages import path_of, wants_page
from api.problems import PROBLEM, kind_of, send_problem
from api.response_headers import OF_ANSWERS, Headers
from api.search import AT_ONCE
from retrieval.errors import OverloadedError

BURST = 64
"""How many searches may be under way for a moment."""

STANDING_SECONDS = 0.25
"""A line that stands for so long is there to stay."""

CALM_SECONDS = 1.0
"""After so long without a refusal the next burst is let in again."""

_SEARCHES = frozenset({"/search", "/app/search"})
_BELOW_ARE_SEARCHES = ("/v1/", "/app/videos/")


class Admission:
    """Counts the searches under way, and says whether there is room for another. One event loop owns it."""

    def __init__(self, places: int, *, clock: Callable[[], float] = monotonic) -> None:
        """Let `places` searches in at a time, and more for a moment."""
        self._places = places
        self._burst = max(BURST, places)
        self._clock = clock
        self._taken = 0
        self._in_order_at = clock()
        self._refused_at: float | None = None

    def take(self, places: int) -> None:
        """Take places, to be given back. Raises OverloadedError where there is no room."""
        now = self._clock()
        if self._taken <= self._places:
            self._in_order_at = now
        if self._refused_at is not None and now - self._refused_at > CALM_SECONDS:
            self._refused_at = None
        stands = now - self._in_order_at > STANDING_SECONDS
        limit = self._places if stands or self._refused_at is not None else self._burst
        # Whatever is larger than the limit is let in where nothing else is.
        if self._taken and self._taken + places > limit:
            self._refused_at = now
            raise OverloadedError("Too many searches are under way. Try again in a moment.")
        self._taken += places

    def give_back(self, places: int) -> None:
        """Give places back."""
        self._taken -= places


def admit_searches(
    app: ASGIApp,
    admission: Admission,
    draining: Draining,
    *,
    pages: Headers,
    cors: CORSConfig | None = None,
) -> ASGIApp:
    """Wrap an app so that what there is no room for is refused before any work is done for it.

    `pages` are the headers of a refusal that is a page.
    While the service is draining, each answer asks the client to connect anew next time: to another process.
    """

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        if draining.has_begun:
            send = _closing(send)
        places = _places_of(path_of(scope))
        if not places:
            await app(scope, receive, send)
            return
        try:
            admission.take(places)
        except OverloadedError:
            scope.setdefault("state", {})[PROBLEM] = kind_of(OverloadedError).code
            headers = pages if wants_page(scope) else OF_ANSWERS
            await send_problem(scope, send, OverloadedError, [*headers, *_origin_allowed(scope, cors)])
            return
        try:
            await app(scope, receive, send)
        finally:
            admission.give_back(places)

    return route


def _places_of(path: str) -> int:
    """Say how many searches a request is; 0 where it is none."""
    if path == "/v1/search/batch":
        return AT_ONCE
    return 1 if path in _SEARCHES or path.startswith(_BELOW_ARE_SEARCHES) else 0


def _origin_allowed(scope: Scope, cors: CORSConfig | None) -> list[tuple[bytes, bytes]]:
    """Let the page of an allowed site read a refusal, which never gets to what answers for other sites."""
    origin = dict(scope["headers"]).get(b"origin") if cors else None
    if cors is None or origin is None or not cors.is_origin_allowed(origin.decode("latin-1")):
        return []
    return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]


def _closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_and_close
