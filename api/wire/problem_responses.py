"""Sends errors: as `application/problem+json`, or as a page if the client asked for one."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Scope, Send

from api.wire.errors import RequestError
from api.wire.negotiation import PRIVATE_NO_CACHE, wants_page
from api.wire.parameters import plain_rule
from api.wire.problems import PROBLEM_JSON, UNEXPECTED, ProblemKind, first_cause, kind_of
from api.wire.query_string import rule_of
from api.wire.route_table import route_of
from api.wire.schemas import Problem

PROBLEM = "problem"
"""The key of a request's state that holds the code of the problem that was sent."""

PageRenderer = Callable[[Problem, Scope, str | None], bytes]
"""Renders a problem as a page. The third argument is the value of `Retry-After`."""

_SERVER_ERROR = 500

_logger = logging.getLogger(__name__)


class ProblemResponder:
    """Answers requests with errors. Without a page renderer, every error is JSON."""

    def __init__(self, render_page: PageRenderer | None = None) -> None:
        self._render_page = render_page

    def respond(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """Handle any exception of an app (Litestar's exception handler). Logs unexpected errors."""
        cause = first_cause(error)
        kind = kind_of(type(cause))
        request.scope["state"][PROBLEM] = kind.code
        if kind is UNEXPECTED:
            # The template and not the path, which contains video ids.
            template = route_of(request.scope).template
            _logger.error("Unexpected error in %s %s", request.method, template, exc_info=cause)
        elif kind.status >= _SERVER_ERROR:
            # A client that polls would fill the log. Readiness logs once when searches begin to fail.
            _logger.info("%s: %s", kind.code, cause)
        detail = _named_rules(request, cause) if isinstance(cause, ValidationException) else str(cause)
        headers = _headers(kind, cause)
        media_type, body = self._encode(kind.problem(detail), request.scope, headers)
        return Response(body, media_type=media_type, status_code=kind.status, headers=headers)

    async def send(
        self,
        scope: Scope,
        send: Send,
        error: type[Exception],
        more_headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send an error with a fixed detail, from a middleware: cheaper than through the app."""
        kind = kind_of(error)
        scope.setdefault("state", {})[PROBLEM] = kind.code
        headers = _retry_after(kind)
        media_type, body = self._encode(kind.problem(), scope, headers)
        if media_type == MediaType.HTML:
            media_type += "; charset=utf-8"
        headers |= {"content-type": media_type, "content-length": str(len(body))}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send(
            {
                "type": "http.response.start",
                "status": kind.status,
                "headers": [*encoded, *more_headers],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _encode(self, problem: Problem, scope: Scope, headers: dict[str, str]) -> tuple[str, bytes]:
        """Encode a problem as JSON or as a page. For a page, add its caching header to `headers`."""
        if self._render_page is None or not wants_page(scope):
            return PROBLEM_JSON, msgspec.json.encode(problem)
        headers |= PRIVATE_NO_CACHE
        return MediaType.HTML.value, self._render_page(problem, scope, headers.get("Retry-After"))


def _headers(kind: ProblemKind, error: BaseException) -> dict[str, str]:
    headers = _retry_after(kind)
    if isinstance(error, RequestError):
        return {**headers, **error.headers}
    allow = (error.headers or {}).get("allow") if isinstance(error, HTTPException) else None
    return headers | ({"Allow": allow} if allow else {})


def _retry_after(kind: ProblemKind) -> dict[str, str]:
    return {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}


def _named_rules(request: Request[Any, Any, Any], error: ValidationException) -> str:
    # Litestar's own text contains the whole URL. Its list of faults has the names of the handler's arguments.
    faults: Iterable[Any] = error.extra if isinstance(error.extra, list) else []
    names = rule_of(request.route_handler).names
    rules = [f"{names.get(fault['key'], fault['key'])}: {plain_rule(fault['message'])}" for fault in faults]
    return " ".join(rules) or "A parameter is not valid."
