"""Records every request: its id, a log line, metrics and a span. Never the query."""

import logging
import re
from collections.abc import Iterable
from secrets import token_hex
from time import perf_counter
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from api.observability.logs import with_fields
from api.observability.metrics import SHED_REASONS, RequestMetrics
from api.observability.recent_searches import RecentSearches
from api.observability.tracing import Tracing
from api.wire.problem_responses import PROBLEM
from api.wire.route_table import REQUEST_ID, MatchedRoute, route_of

REQUEST_ID_HEADER = b"x-request-id"

OTHER_METHOD = "other"
GONE = 499
"""The status recorded if the client disconnects before the response. HTTP has none, so this is nginx's."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SEARCH_METHODS = frozenset({"GET", "POST"})
# Visible ASCII without quotes: the id is sent back in a header, and written to logs that programs parse.
_USABLE_ID = re.compile(rb"[!#-&(-~]{1,128}")
# The status that the server sends if the app ends without a response.
_NO_RESPONSE = 500

_logger = logging.getLogger(__name__)


def record_requests(
    app: ASGIApp, metrics: RequestMetrics, recent: RecentSearches, tracing: Tracing
) -> ASGIApp:
    """Wrap an app so that every request gets an id and is recorded, however it ends."""

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else OTHER_METHOD
        route = route_of(scope)
        is_search = route.properties.kind == "search" and method in _SEARCH_METHODS
        template = route.template
        exchange = _Exchange(receive, send, _request_id(scope["headers"]))
        scope["state"][REQUEST_ID] = exchange.request_id
        started = perf_counter()
        with (
            metrics.in_progress(method, template),
            tracing.request(method, template, scope["headers"], skip=route.properties.is_polled) as span,
            with_fields(request_id=exchange.request_id, **span.fields),
        ):
            try:
                await app(scope, exchange.receive, exchange.send)
            finally:
                span.completed(method, template, exchange.status)
                seconds = perf_counter() - started
                metrics.completed(method, template, exchange.status, seconds)
                if is_search:
                    recent.completed(exchange.status, seconds)
                problem = scope["state"].get(PROBLEM)
                if problem in SHED_REASONS:
                    metrics.shed(problem)
                _log(method, route, exchange.status, seconds, problem)

    return recorded


class _Exchange:
    """The messages of one request and its response, and the status that results from them."""

    __slots__ = ("_is_gone", "_receive", "_send", "request_id", "status")

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self._receive = receive
        self._send = send
        self._is_gone = False
        self.request_id = request_id
        self.status = _NO_RESPONSE

    async def receive(self) -> HTTPReceiveMessage:
        message = cast("HTTPReceiveMessage", await self._receive())
        if message["type"] == "http.disconnect" and self.status == _NO_RESPONSE:
            self._is_gone = True
            self.status = GONE
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._is_gone:
                self.status = message["status"]
            headers = [*message["headers"], (REQUEST_ID_HEADER, self.request_id.encode("ascii"))]
            message = {**message, "headers": headers}
        await self._send(message)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the client's id of the request, or a new one."""
    given = next((value for name, value in headers if name == REQUEST_ID_HEADER), b"")
    return given.decode("ascii") if _USABLE_ID.fullmatch(given) else token_hex(16)


def _log(method: str, route: MatchedRoute, status: int, seconds: float, problem: str | None) -> None:
    # Polled routes, and requests that are shed in large numbers, would hide the rest. Metrics count them.
    is_quiet = route.properties.is_polled or problem in SHED_REASONS
    level = logging.DEBUG if is_quiet else logging.INFO
    if _logger.isEnabledFor(level):
        fields = {
            "method": method,
            "route": route.template,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
        }
        _logger.log(level, "request", extra=fields | ({"problem": problem} if problem else {}))
