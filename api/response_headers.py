"""The headers of every answer: what a browser may do with it, and how the caller stands with the limits."""

from collections.abc import Awaitable, Callable

from litestar.types import Message, Scope

from api.access_settings import ANY_ORIGIN, AccessSettings
from api.rate_limits import limit_headers

EXPOSED = (
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *("Retry-After", "WWW-Authenticate", "X-Request-ID"),
)
"""What a page of another site may read besides the body."""

# What is no page loads nothing and is framed by nobody. Pages load what lies beside them; the pictures of
# Swagger UI's style sheet are in it, as data, and the styles that its script sets on elements need no leave.
NOTHING_LOADED = b"default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Of requests that ignore CORS: a page of another site cannot load an answer as a script or a picture.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
OF_ANSWERS = (*_ALWAYS, (b"content-security-policy", NOTHING_LOADED))
_OF_PAGES = (
    *_ALWAYS,
    (b"content-security-policy", PAGE_POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_VARIES = (b"vary", b"Origin")
_PRIVATE = (b"cache-control", b"private")

BeforeSend = Callable[[Message, Scope], Awaitable[None]]


def complete_headers(settings: AccessSettings) -> BeforeSend:
    """Make the hook that completes the headers of an answer before it is sent, an error's as well."""
    depends_on_origin = bool(settings.cors_origins) and ANY_ORIGIN not in settings.cors_origins

    async def complete(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = [*message["headers"]]
        given = dict(headers)
        is_page = given.get(b"content-type", b"").startswith(b"text/html")
        headers += _OF_PAGES if is_page else OF_ANSWERS
        headers += limit_headers(scope)
        if depends_on_origin and b"vary" not in given:
            # Also of an answer to a request without an origin: a cache must not give it to one with.
            headers.append(_VARIES)
        if scope.get("auth") is not None and b"cache-control" not in given:
            headers.append(_PRIVATE)
        message["headers"] = headers

    return complete
