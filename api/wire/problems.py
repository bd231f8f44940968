"""The HTTP status of every error, in one table, and how OpenAPI documents them.

Errors are sent as `application/problem+json` (RFC 9457). Our error classes carry their code and title; the
table adds the status. It also holds the code and title of third-party errors.
"""

from collections.abc import Mapping, Sequence

import msgspec
from litestar.exceptions import (
    ClientException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

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
    MalformedRequestError,
    MediaBusyError,
    MediaNotFoundError,
    QueryTooLongError,
    RangeNotSatisfiableError,
    RateLimitedError,
    RequestError,
    ScopeMissingError,
    StoppingError,
    TaskEndedError,
    TicketInvalidError,
    UnknownParameterError,
    UnsupportedBodyError,
)
from api.wire.schemas import LONGEST_QUERY, Problem
from retrieval.errors import (
    CursorError,
    IncompatibleIndexError,
    IndexUnavailableError,
    OverloadedError,
    VideoNotFoundError,
    VidsearchError,
)

PROBLEM_JSON = "application/problem+json"

# The errors that many routes have in common, for `error_responses`.
NEEDS_INDEX = (IndexUnavailableError, OverloadedError)
TAKES_PARAMETERS = (InvalidParameterError, UnknownParameterError)
TAKES_QUERY = (*TAKES_PARAMETERS, EmptyQueryError, QueryTooLongError)
MAY_BE_REFUSED = (HostNotAllowedError, RateLimitedError)
NEEDS_KEY = (*MAY_BE_REFUSED, KeyRequiredError, KeyInvalidError, ScopeMissingError)


class ProblemKind(msgspec.Struct, frozen=True):
    """How an error is sent.

    `detail` None sends the error's own text, of which `example` is an example. `retry_after`: seconds.
    """

    status: int
    code: str
    title: str
    detail: str | None = None
    retry_after: int | None = None
    example: str = ""

    def problem(self, detail: str = "") -> Problem:
        """Build the response body."""
        return Problem(
            type=f"urn:problem-type:vidsearch:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail or detail,
            code=self.code,
        )


def _with_detail(
    error: type[VidsearchError], status: int, detail: str, *, retry_after: int | None = None
) -> ProblemKind:
    return ProblemKind(status, error.code, error.title, detail, retry_after)


def _with_own_text(
    status: int, *examples: RequestError, retry_after: int | None = None
) -> dict[type[BaseException], ProblemKind]:
    """Return the rows of errors whose own text is sent; each is given as an example."""
    return {
        type(error): ProblemKind(status, error.code, error.title, retry_after=retry_after, example=str(error))
        for error in examples
    }


_INVALID = InvalidParameterError("limit", "expected `int` <= 50.")
UNEXPECTED = _with_detail(
    VidsearchError, 500, "The service failed to process this request. The cause is in its log."
)

# The row of an error is the first one along its class's MRO. Only texts that were written for the public are
# sent. Errors of other packages may name files and hosts, so their rows have a fixed detail.
PROBLEMS: Mapping[type[BaseException], ProblemKind] = {
    **_with_own_text(
        400,
        _INVALID,
        UnknownParameterError("q", accepted=["query"]),
        EmptyQueryError("query"),
        QueryTooLongError("query", LONGEST_QUERY),
        MalformedRequestError(),
        MalformedBodyError(),
        BodyIncompleteError(),
        HostNotAllowedError(),
    ),
    **_with_own_text(401, KeyRequiredError(), KeyInvalidError(), TicketInvalidError()),
    **_with_own_text(403, ScopeMissingError("search")),
    **_with_own_text(404, MediaNotFoundError()),
    **_with_own_text(408, BodyTooSlowError(10), HeadTooSlowError(10)),
    **_with_own_text(415, UnsupportedBodyError()),
    **_with_own_text(416, RangeNotSatisfiableError(1000)),
    # The error's own Retry-After header is more exact.
    **_with_own_text(429, RateLimitedError(1), retry_after=1),
    **_with_own_text(431, HeadTooLargeError()),
    **_with_own_text(503, MediaBusyError(), retry_after=1),
    ValidationException: _with_own_text(400, _INVALID)[InvalidParameterError],
    CursorError: _with_detail(CursorError, 400, "cursor: was not issued by this service."),
    ClientException: _with_detail(MalformedRequestError, 400, MalformedRequestError.text),
    NotFoundException: ProblemKind(404, "not-found", "Not found", "No such route. GET /schema lists them."),
    VideoNotFoundError: _with_detail(VideoNotFoundError, 404, "There's no such video."),
    MethodNotAllowedException: ProblemKind(
        405, "method-not-allowed", "Method not allowed", "The Allow header lists the methods of this route."
    ),
    RequestEntityTooLarge: ProblemKind(
        413,
        "body-too-large",
        "Body too large",
        "The body is larger than a full batch of the longest queries.",
    ),
    OverloadedError: _with_detail(
        OverloadedError, 503, "Too many searches are waiting. Try again shortly.", retry_after=1
    ),
    StoppingError: _with_detail(
        StoppingError, 503, "The service is stopping. Send the request to another instance.", retry_after=1
    ),
    TaskEndedError: _with_detail(
        TaskEndedError, 503, "A background task has ended. Restart the service.", retry_after=5
    ),
    IndexUnavailableError: _with_detail(
        IndexUnavailableError,
        503,
        "There is no index to search, or it does not respond. Build one: python -m ingest sync SOURCE",
        retry_after=5,
    ),
    IncompatibleIndexError: _with_detail(
        IncompatibleIndexError,
        503,
        "The index was built for another model or by another version. "
        "Build it again: python -m ingest sync SOURCE --prune",
        retry_after=5,
    ),
    BaseException: UNEXPECTED,
}


def kind_of(error: type[BaseException]) -> ProblemKind:
    """Look up a class of errors in the table."""
    return next(PROBLEMS[cls] for cls in error.__mro__ if cls in PROBLEMS)


def first_cause(error: BaseException) -> BaseException:
    """Take an error out of the exception groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def error_responses(*errors: type[Exception]) -> dict[int, ResponseSpec]:
    """Describe for OpenAPI the errors of a route: these, and the two that any route may send."""
    by_status: dict[int, list[ProblemKind]] = {}
    for error in (*errors, ClientException, Exception):
        kind = kind_of(error)
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _response_spec(kinds) for status, kinds in by_status.items()}


def _response_spec(kinds: Sequence[ProblemKind]) -> ResponseSpec:
    retry = ", with `Retry-After`" if kinds[0].retry_after else ""
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=" or ".join(f"{kind.title} (`{kind.code}`{retry})" for kind in kinds),
        media_type=PROBLEM_JSON,
        # An example's id would be written into the document, where OpenAPI does not allow it.
        examples=[
            Example(summary=kind.code, value=msgspec.to_builtins(kind.problem(kind.example)))
            for kind in kinds
        ],
    )
