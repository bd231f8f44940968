"""Whether a response is JSON or a page: by the route, and at `/` by the `Accept` header."""

from collections.abc import Mapping

from litestar.datastructures import Headers
from litestar.types import Scope

from api.wire.route_table import route_of

PRIVATE_NO_CACHE = {"Cache-Control": "private, no-cache"}
"""The caching header of pages: a page shows the query and the results, and changes with the index."""

_HTML = ("text/html", "text/*", "*/*")
_JSON = ("application/json", "application/*", "*/*")


def wants_page(scope: Scope) -> bool:
    """Whether the client gets a page, and so an error page too."""
    errors = route_of(scope).properties.errors
    if errors == "negotiated":
        return scope.get("method") == "GET" and prefers_page(Headers.from_scope(scope).get("accept", ""))
    return errors == "page"


def prefers_page(accept: str) -> bool:
    """Whether an `Accept` header prefers HTML to JSON. A client that accepts both equally gets JSON."""
    weights = dict(map(_weighted, accept.lower().split(",")))
    return _weight(weights, _HTML) > _weight(weights, _JSON)


def _weighted(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return media_type, float(quality)
    except ValueError:
        return media_type, 0.0


def _weight(weights: Mapping[str, float], ranges: tuple[str, ...]) -> float:
    # The most specific range decides.
    return next((weights[each] for each in ranges if each in weights), 0.0)
