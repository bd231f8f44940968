"""The headers of every answer: what a browser may do with it, and how the caller stands with the limits."""

from collections.abc import Awaitable, Callable, Sequence

from litestar.types import Message, Scope

from api.access.rate_limits import limit_headers
from api.access.settings import ANY_ORIGIN, AccessSettings
from api.pages.pages import path_of
from api.routes.documentation import PATH as DOCUMENTATION

EXPOSED = (
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *("Retry-After", "WWW-Authenticate", "X-Request-ID"),
)
"""What a page of another site may read besides the body."""

# What is no page loads nothing and is framed by nobody. Pages load what lies beside them; the pictures of
# Swagger UI's style sheet are in it, as data, and the styles that its script sets on elements need no leave.
NOTHING_LOADED = b"default-src 'none'; frame-ancestors 'none'"
_OWN = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'; "
)
DOCUMENTATION_POLICY = _OWN + b"img-src 'self' data:; form-action 'none'"
# The search page also shows what a catalogue's addresses lead to: pictures, and after a click a player.
_PLAYERS = (
    b"form-action 'self'; media-src http: https:; "
    b"frame-src https://www.youtube-nocookie.com https://player.vimeo.com"
)
PAGE_POLICY = _OWN + b"img-src 'self' data: http: https:; " + _PLAYERS
PAGE_POLICY_WITHOUT_THUMBNAILS = _OWN + b"img-src 'self' data:; " + _PLAYERS

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Of requests that ignore CORS: a page of another site cannot load an answer as a script or a picture.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
OF_ANSWERS = (*_ALWAYS, (b"content-security-policy", NOTHING_LOADED))
_PRIVATE = (b"cache-control", b"private")

Headers = Sequence[tuple[bytes, bytes]]
BeforeSend = Callable[[Message, Scope], Awaitable[None]]


def of_pages(policy: bytes) -> Headers:
    """Give the headers of a page that may do what `policy` says."""
    return (
        *_ALWAYS,
        (b"content-security-policy", policy),
        (b"cross-origin-opener-policy", b"same-origin"),
    )


_OF_DOCUMENTATION = of_pages(DOCUMENTATION_POLICY)


def complete_headers(settings: AccessSettings, pages: Headers) -> BeforeSend:
    """Make the hook that completes the headers of an answer before it is sent, an error's as well.

    `pages` are those of a page other than the documentation.
    """
    depends_on_origin = bool(settings.cors_origins) and ANY_ORIGIN not in settings.cors_origins

    async def complete(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = [*message["headers"]]
        given = dict(headers)
        path = path_of(scope)
        ours: Headers = OF_ANSWERS
        if given.get(b"content-type", b"").startswith(b"text/html"):
            ours = _OF_DOCUMENTATION if path == DOCUMENTATION else pages
        # What a route says of these itself stands.
        headers += [header for header in ours if header[0] not in given]
        headers += limit_headers(scope)
        if path == "/":
            headers.append((b"vary", b"Accept"))
        if depends_on_origin and given.get(b"vary") != b"Origin":
            # Also of an answer to a request without an origin: a cache must not give it to one with.
            headers.append((b"vary", b"Origin"))
        if scope.get("auth") is not None and b"cache-control" not in given:
            headers.append(_PRIVATE)
        message["headers"] = headers

    return complete
