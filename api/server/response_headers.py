"""The headers of every response: what a browser may do with it, and the state of the rate limits."""

from collections.abc import Awaitable, Callable, Sequence

from litestar.config.cors import CORSConfig
from litestar.types import Message, Scope

from api.access.rate_limits import limit_headers
from api.access.settings import ANY_ORIGIN, AccessSettings
from api.wire.route_table import route_of

EXPOSED = (
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *("Retry-After", "WWW-Authenticate", "X-Request-ID"),
)
"""The headers that the pages of other sites may read."""

# Content-Security-Policy. A response that is not a page loads nothing, and no page may frame it. Pages load
# only files of this service. Swagger UI's style sheet contains its pictures as `data:` URLs, and the styles
# that its script sets on elements need no permission.
NOTHING_LOADED = b"default-src 'none'; frame-ancestors 'none'"
_OWN_FILES = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'; "
)
DOCUMENTATION_POLICY = _OWN_FILES + b"img-src 'self' data:; form-action 'none'"
# The search page also loads what the URLs of the catalogue refer to: pictures, and after a click a player.
_PLAYERS = (
    b"form-action 'self'; media-src http: https:; "
    b"frame-src https://www.youtube-nocookie.com https://player.vimeo.com"
)
PAGE_POLICY = _OWN_FILES + b"img-src 'self' data: http: https:; " + _PLAYERS
PAGE_POLICY_WITHOUT_THUMBNAILS = _OWN_FILES + b"img-src 'self' data:; " + _PLAYERS

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Some requests ignore CORS: without this, another site could load a response as a script or a picture.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
DATA_HEADERS = (*_ALWAYS, (b"content-security-policy", NOTHING_LOADED))
"""The headers of a response that is not a page."""

_PRIVATE = (b"cache-control", b"private")

Headers = Sequence[tuple[bytes, bytes]]
BeforeSend = Callable[[Message, Scope], Awaitable[None]]


def complete_headers(settings: AccessSettings, *, thumbnails: bool) -> BeforeSend:
    """Make the hook that completes the headers of every response, error or not.

    `thumbnails`: whether pages may load pictures from other hosts.
    """
    depends_on_origin = bool(settings.cors_origins) and ANY_ORIGIN not in settings.cors_origins
    page = _page_headers(PAGE_POLICY if thumbnails else PAGE_POLICY_WITHOUT_THUMBNAILS)
    documentation = _page_headers(DOCUMENTATION_POLICY)

    async def complete(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = [*message["headers"]]
        given = dict(headers)
        route = route_of(scope).properties
        ours: Headers = DATA_HEADERS
        if given.get(b"content-type", b"").startswith(b"text/html"):
            ours = documentation if route.kind == "documentation" else page
        # A header that the route sets itself is kept.
        headers += [header for header in ours if header[0] not in given]
        headers += limit_headers(scope)
        if route.errors == "negotiated":
            headers.append((b"vary", b"Accept"))
        if depends_on_origin and given.get(b"vary") != b"Origin":
            # Also without an origin: a cache must not send this response to a request with one.
            headers.append((b"vary", b"Origin"))
        if scope.get("auth") is not None and b"cache-control" not in given:
            headers.append(_PRIVATE)
        message["headers"] = headers

    return complete


def cors_config(settings: AccessSettings) -> CORSConfig | None:
    """Allow the pages of CORS_ORIGINS to use the API. None if there are none."""
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type", "traceparent", "X-API-Key", "X-Request-ID"],
        expose_headers=list(EXPOSED),
    )


def _page_headers(policy: bytes) -> Headers:
    return (
        *_ALWAYS,
        (b"content-security-policy", policy),
        (b"cross-origin-opener-policy", b"same-origin"),
    )
