"""Which requests are for a page rather than for JSON."""

from collections.abc import Mapping

from litestar.datastructures import Headers
from litestar.types import Scope

PAGE_ROUTES = ("/app", "/status")
"""Responses at these paths and below them are pages, including errors."""

REQUEST_ID = "request_id"
"""The key of the request id in a request's state."""

NOT_KEPT = {"Cache-Control": "private, no-cache"}
"""Headers of a page. It contains a query and its results, and changes with the index."""

_HTML = ("text/html", "text/*", "*/*")
_JSON = ("application/json", "application/*", "*/*")


def wants_page(scope: Scope) -> bool:
    """Return whether a request is for a page. If so, its errors are pages too."""
    path = path_of(scope)
    if path == "/":
        return scope.get("method") == "GET" and prefers_page(Headers.from_scope(scope).get("accept", ""))
    return path in PAGE_ROUTES or path.startswith(tuple(f"{route}/" for route in PAGE_ROUTES))


def path_of(scope: Scope) -> str:
    """Return the path below the app's mount point, without a trailing slash."""
    return scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/") or "/"


def prefers_page(accept: str) -> bool:
    """Return whether an `Accept` header prefers HTML to JSON. If it accepts both equally, JSON wins."""
    weights = dict(map(_weighed, accept.lower().split(",")))
    return _weight(weights, _HTML) > _weight(weights, _JSON)


def _weighed(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return media_type, float(quality)
    except ValueError:
        return media_type, 0.0


def _weight(weights: Mapping[str, float], ranges: tuple[str, ...]) -> float:
    # The most specific media range decides (RFC 9110, 12.5.1).
    return next((weights[each] for each in ranges if each in weights), 0.0)
