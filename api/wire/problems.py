"""Every error as `application/problem+json` (RFC 9457), or as a page where one was asked for: one table."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.types import Scope, Send

from api.pages.pages import NOT_KEPT, wants_page
from api.pages.problem_page import render_problem
from api.wire.errors import (
    BodyIncompleteError,
    BodyTooSlowError,
    EmptyQueryError,
    HeadTooLargeError,
    HeadTooSlowError,
    HostNotAllowedError,
    InvalidParameterError,
    KeyInvalidError,
    KeyRequiredError,
    MalformedBodyError,
    QueryTooLongError,
    RateLimitedError,
    RequestError,
    ScopeMissingError,
    StoppingError,
    UnknownParameterError,
    UnsupportedBodyError,
)
from api.wire.parameters import plain_rule
from api.wire.query_string import rule_of
from api.wire.schemas import LONGEST_QUERY, Problem
from retrieval.errors import (
    CursorError,
    IncompatibleIndexError,
    IndexUnavailableError,
    OverloadedError,
    VideoNotFoundError,
)

PROBLEM_JSON = "application/problem+json"
INTERNAL_ERROR = 500

# The errors that many routes have in common, for `described`.
NEEDS_INDEX = (IndexUnavailableError, OverloadedError)
TAKES_PARAMETERS = (InvalidParameterError, UnknownParameterError)
TAKES_QUERY = (*TAKES_PARAMETERS, EmptyQueryError, QueryTooLongError)

PROBLEM = "problem"
"""Under this key of a request's state stands the code of the problem that it was answered with."""

_logger = logging.getLogger(__name__)


class ProblemKind(msgspec.Struct, frozen=True):
    """What an error becomes. `detail` None sends the error's own text, of which `example` is one.

    `retry_after` is seconds.
    """

    status: int
    code: str
    title: str
    detail: str | None = None
    retry_after: int | None = None
    example: str = ""

    def told(self, detail: str = "") -> Problem:
        """Build the body that is sent."""
        return Problem(
            type=f"urn:problem-type:vidsearch:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail or detail,
            code=self.code,
        )


_INVALID = ProblemKind(400, "invalid-parameter", "Invalid parameter", example="limit: expected `int` <= 50.")
_UNAVAILABLE = ProblemKind(
    503,
    "index-unavailable",
    "The index is unavailable",
    "There is no index to search, or it does not answer. Build one: python -m ingest sync SOURCE",
    retry_after=5,
)
_UNEXPECTED = ProblemKind(
    INTERNAL_ERROR, "internal-error", "Internal error", "Something went wrong here; the log says what."
)

# An error is what the first row on its class's ancestor line says. Only texts written for the public are
# sent: errors from other rooms may name files and hosts, so their rows say it in fixed words.
PROBLEMS: Mapping[type[BaseException], ProblemKind] = {
    InvalidParameterError: _INVALID,
    ValidationException: _INVALID,
    CursorError: msgspec.structs.replace(_INVALID, detail="cursor: is not one that this service gave out."),
    UnknownParameterError: ProblemKind(
        400,
        "unknown-parameter",
        "Unknown parameter",
        example=str(UnknownParameterError("q", ["query"])),
    ),
    EmptyQueryError: ProblemKind(400, "empty-query", "Empty query", example=str(EmptyQueryError("query"))),
    QueryTooLongError: ProblemKind(
        400, "query-too-long", "Query too long", example=str(QueryTooLongError("query", LONGEST_QUERY))
    ),
    ClientException: ProblemKind(
        400, "malformed-request", "Malformed request", "The request is not well-formed HTTP."
    ),
    MalformedBodyError: ProblemKind(
        400, "malformed-request", "Malformed request", example=str(MalformedBodyError())
    ),
    BodyIncompleteError: ProblemKind(
        400, "body-incomplete", "Body incomplete", example=str(BodyIncompleteError())
    ),
    HostNotAllowedError: ProblemKind(
        400, "host-not-allowed", "Host not allowed", example=str(HostNotAllowedError())
    ),
    KeyRequiredError: ProblemKind(401, "key-required", "Key required", example=str(KeyRequiredError())),
    KeyInvalidError: ProblemKind(401, "key-invalid", "Key invalid", example=str(KeyInvalidError())),
    ScopeMissingError: ProblemKind(
        403, "scope-missing", "Scope missing", example=str(ScopeMissingError("search"))
    ),
    NotFoundException: ProblemKind(404, "not-found", "Not found", "No such route. GET /schema lists them."),
    VideoNotFoundError: ProblemKind(
        404, "video-not-found", "Video not found", "No video of that id is in the index."
    ),
    MethodNotAllowedException: ProblemKind(
        405, "method-not-allowed", "Method not allowed", "The Allow header says which methods this route has."
    ),
    BodyTooSlowError: ProblemKind(408, "body-too-slow", "Body too slow", example=str(BodyTooSlowError(10))),
    HeadTooSlowError: ProblemKind(408, "head-too-slow", "Head too slow", example=str(HeadTooSlowError(10))),
    HeadTooLargeError: ProblemKind(431, "head-too-large", "Head too large", example=str(HeadTooLargeError())),
    RequestEntityTooLarge: ProblemKind(
        413, "body-too-large", "Body too large", "The body is longer than a full batch of queries can be."
    ),
    UnsupportedBodyError: ProblemKind(
        415, "unsupported-media-type", "Unsupported media type", example=str(UnsupportedBodyError())
    ),
    # How long exactly, the error knows.
    RateLimitedError: ProblemKind(
        429, "rate-limited", "Rate limited", retry_after=1, example=str(RateLimitedError(1))
    ),
    OverloadedError: ProblemKind(
        503, "overloaded", "Overloaded", "Too many queries are waiting. Try again shortly.", retry_after=1
    ),
    StoppingError: ProblemKind(
        503, "stopping", "Stopping", "The service is about to stop. Ask another one.", retry_after=1
    ),
    IndexUnavailableError: _UNAVAILABLE,
    IncompatibleIndexError: msgspec.structs.replace(
        _UNAVAILABLE,
        detail="The index does not fit this service's model or version. "
        "Build it again: python -m ingest sync SOURCE --prune",
    ),
    BaseException: _UNEXPECTED,
}


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer an error, whatever it is, and log what nobody expected."""
    cause = first_cause(error)
    kind = kind_of(type(cause))
    request.scope["state"][PROBLEM] = kind.code
    if kind is _UNEXPECTED:
        # The route's template, not the address: that one holds query text and video ids.
        route = request.scope.get("path_template", "no route")
        _logger.error("Unexpected error in %s %s", request.method, route, exc_info=cause)
    elif kind.status >= INTERNAL_ERROR:
        # Whoever polls would fill the log; readiness says once when it is lost.
        _logger.info("%s: %s", kind.code, cause)
    detail = _named_rules(request, cause) if isinstance(cause, ValidationException) else str(cause)
    headers = _headers(kind, cause)
    media_type, body = _written(kind.told(detail), request.scope, headers)
    return Response(body, media_type=media_type, status_code=kind.status, headers=headers)


async def send_problem(
    scope: Scope, send: Send, error: type[Exception], more_headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer an error whose text is in the table, past everything that makes an answer dear."""
    kind = kind_of(error)
    headers = _retry_after(kind)
    media_type, body = _written(kind.told(), scope, headers)
    if media_type == MediaType.HTML:
        media_type += "; charset=utf-8"
    headers |= {"content-type": media_type, "content-length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": kind.status,
            "headers": [
                *((name.lower().encode(), value.encode()) for name, value in headers.items()),
                *more_headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def kind_of(error: type[BaseException]) -> ProblemKind:
    """Look a class of errors up in the table."""
    return next(PROBLEMS[cls] for cls in error.__mro__ if cls in PROBLEMS)


def first_cause(error: BaseException) -> BaseException:
    """Take an error out of the groups that task groups wrap it in: a batch's, or the app's own."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def described(*errors: type[Exception]) -> dict[int, ResponseSpec]:
    """Describe for OpenAPI the errors that a route answers with: these, and the two that any route can."""
    by_status: dict[int, list[ProblemKind]] = {}
    for error in (*errors, ClientException, Exception):
        kind = kind_of(error)
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _described(kinds) for status, kinds in by_status.items()}


def _described(kinds: Sequence[ProblemKind]) -> ResponseSpec:
    retry = ", with `Retry-After`" if kinds[0].retry_after else ""
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=" or ".join(f"{kind.title} (`{kind.code}`{retry})" for kind in kinds),
        media_type=PROBLEM_JSON,
        # An example's id would be written into the document, where OpenAPI does not allow it.
        examples=[
            Example(summary=kind.code, value=msgspec.to_builtins(kind.told(kind.example))) for kind in kinds
        ],
    )


def _written(problem: Problem, scope: Scope, headers: dict[str, str]) -> tuple[str, bytes]:
    """Write a problem in the form that was asked for, and add to its headers what only that form has."""
    if not wants_page(scope):
        return PROBLEM_JSON, msgspec.json.encode(problem)
    headers |= NOT_KEPT
    return MediaType.HTML.value, render_problem(problem, scope, headers.get("Retry-After"))


def _headers(kind: ProblemKind, error: BaseException) -> dict[str, str]:
    headers = _retry_after(kind)
    if isinstance(error, RequestError):
        return {**headers, **error.headers}
    allow = (error.headers or {}).get("allow") if isinstance(error, HTTPException) else None
    return headers | ({"Allow": allow} if allow else {})


def _retry_after(kind: ProblemKind) -> dict[str, str]:
    return {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}


def _named_rules(request: Request[Any, Any, Any], error: ValidationException) -> str:
    # Litestar's own text holds the whole address. Its list of faults goes by the handler's argument names.
    faults: Iterable[Any] = error.extra if isinstance(error.extra, list) else []
    names = rule_of(request.route_handler).names
    told = [f"{names.get(fault['key'], fault['key'])}: {plain_rule(fault['message'])}" for fault in faults]
    return " ".join(told) or "A parameter is not valid."
