"""What is noted of every request: its id, a line of log, its figures and its span. Never what was asked."""

import logging
import re
from collections.abc import Iterable
from secrets import token_hex
from time import perf_counter
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

from api.observability.logs import with_fields
from api.observability.metrics import SHED_REASONS, Metrics
from api.observability.recent_searches import RecentSearches
from api.observability.tracing import Tracing
from api.pages.pages import REQUEST_ID as IN_STATE
from api.wire.problems import PROBLEM

UNMATCHED = "unmatched"


_PARAMETER = re.compile(r"\\{\w+\\}")


class RouteTemplates:
    """The templates of an app's routes, like `/v1/videos/{video_id}`."""

    def __init__(self, templates: Iterable[str]) -> None:
        """Know these templates. A parameter stands for one character or more, slashes too."""
        every = sorted(set(templates), key=len, reverse=True)
        self._plain = {template for template in every if "{" not in template}
        # The longest first: what one parameter matches holds all that its longer siblings do.
        self._others = [template for template in every if "{" in template]
        self._pattern = re.compile("|".join(f"({_pattern(template)})" for template in self._others) or "(?!)")

    def of(self, path: str) -> str:
        """Find the template of a path; UNMATCHED where there is none."""
        path = path.rstrip("/") or "/"
        if path in self._plain:
            return path
        match = self._pattern.fullmatch(path)
        return self._others[match.lastindex - 1] if match and match.lastindex else UNMATCHED


def _pattern(template: str) -> str:
    return _PARAMETER.sub(".+", re.escape(template))


REQUEST_ID = b"x-request-id"
PROBES = frozenset(
    {"/", "/livez", "/startupz", "/readyz", "/health", "/metrics", "/status", "/status/activity"}
)
"""Asked again and again by machines: they would fill the log, and their traces would tell nothing."""

OTHER_METHOD = "other"
GONE = 499
"""The status noted of a request whose client went away unanswered. It is nginx's: HTTP has none for it."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Visible ASCII without quotes: it goes back into a header, and into logs that others parse.
_USABLE_ID = re.compile(rb"[!#-&(-~]{1,128}")
# What the server sends where an app ends without an answer.
_UNANSWERED = 500

_log = logging.getLogger(__name__)


def watch_requests(
    app: ASGIApp, *, metrics: Metrics, recent: RecentSearches, tracing: Tracing, templates: RouteTemplates
) -> ASGIApp:
    """Wrap an app so that every request has an id and is noted, whoever answers it and however it ends."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else OTHER_METHOD
        # As it looks from here; what the router finds has the say, once it has.
        route = templates.of(scope["path"].removeprefix(scope.get("root_path", "")))
        exchange = _Exchange(receive, send, _request_id(scope["headers"]))
        scope["state"][IN_STATE] = exchange.request_id
        began = perf_counter()
        with (
            metrics.in_progress(method, route),
            tracing.request(method, route, scope["headers"], skip=route in PROBES) as span,
            with_fields(request_id=exchange.request_id, **span.fields),
        ):
            try:
                await app(scope, exchange.receive, exchange.send)
            finally:
                route = scope.get("path_template") or route
                span.answered(method, route, exchange.status)
                seconds = perf_counter() - began
                metrics.answered(method, route, exchange.status, seconds)
                recent.ended(method, route, exchange.status, seconds)
                _note(metrics, scope, method, route, exchange.status, seconds)

    return watched


class _Exchange:
    """One request's way in and out, and what becomes known of it on the way."""

    __slots__ = ("_is_gone", "_receive", "_send", "request_id", "status")

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self._receive = receive
        self._send = send
        self._is_gone = False
        self.request_id = request_id
        self.status = _UNANSWERED

    async def receive(self) -> HTTPReceiveMessage:
        message = cast("HTTPReceiveMessage", await self._receive())
        if message["type"] == "http.disconnect" and self.status == _UNANSWERED:
            self._is_gone = True
            self.status = GONE
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._is_gone:
                self.status = message["status"]
            headers = [*message["headers"], (REQUEST_ID, self.request_id.encode("ascii"))]
            message = {**message, "headers": headers}
        await self._send(message)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Take the caller's id of the request, or make one."""
    given = next((value for name, value in headers if name == REQUEST_ID), b"")
    return given.decode("ascii") if _USABLE_ID.fullmatch(given) else token_hex(16)


def _note(metrics: Metrics, scope: HTTPScope, method: str, route: str, status: int, seconds: float) -> None:
    problem = scope["state"].get(PROBLEM)
    if problem in SHED_REASONS:
        metrics.shed(problem)
    # Those who poll, and those who are refused by the thousand, would drown the rest; the figures count them.
    is_quiet = route in PROBES or problem in SHED_REASONS
    level = logging.DEBUG if is_quiet else logging.INFO
    if _log.isEnabledFor(level):
        fields = {"method": method, "route": route, "status": status, "duration_ms": round(seconds * 1000, 2)}
        _log.log(level, "request", extra=fields | ({"problem": problem} if problem else {}))


"""What every address that belongs to no route is called."""
