"""Which route a path belongs to, for code that runs before Litestar's router or without it.

`normalize_paths` matches each request once, and keeps the result in the state of the request.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import Scope

from api.wire.route_properties import RouteProperties, properties_of

UNMATCHED = "unmatched"
"""The template of every path that has no route."""

ROUTE = "route"
"""The key of a request's state that holds its MatchedRoute."""

REQUEST_ID = "request_id"
"""The key of a request's state that holds its id."""

_PARAMETER = re.compile(r"\\{\w+\\}")
_API_KINDS = frozenset({"search", "catalogue"})


class MatchedRoute(msgspec.Struct, frozen=True):
    """The route of one request. `template` is like `/v1/videos/{video_id}`."""

    template: str
    properties: RouteProperties


NO_ROUTE = MatchedRoute(UNMATCHED, RouteProperties(kind="unmatched"))
_NO_PAGE = MatchedRoute(UNMATCHED, RouteProperties(kind="unmatched", errors="page"))


class RouteTable:
    """The routes of an app by their templates. Built once; matching needs no router."""

    def __init__(self, routes: Mapping[str, RouteProperties]) -> None:
        """Take the properties by template. A parameter stands for one character or more, slashes too."""
        matched = {template: MatchedRoute(template, each) for template, each in routes.items()}
        # The longest first: a parameter also matches the rest of its longer siblings.
        with_parameters = sorted((each for each in matched if "{" in each), key=len, reverse=True)
        self.templates = tuple(matched)
        self._plain = {each: route for each, route in matched.items() if "{" not in each}
        self._others = [matched[each] for each in with_parameters]
        self._pattern = re.compile("|".join(f"({_pattern(each)})" for each in with_parameters) or "(?!)")
        self._page_areas = {_first_segment(each) for each, found in routes.items() if found.errors == "page"}

    @classmethod
    def of(cls, app: Litestar) -> "RouteTable":
        """Read the routes of an app."""
        return cls({template: properties for template, properties, _ in _declared(app)})

    def match(self, path: str) -> MatchedRoute:
        """Find the route of a path below the app's root path. A path without a route gives `UNMATCHED`.

        A path without a route below `/app` or `/status` gets an error page, like the pages there.
        """
        path = path.rstrip("/") or "/"
        if path in self._plain:
            return self._plain[path]
        found = self._pattern.fullmatch(path)
        if found and found.lastindex:
            return self._others[found.lastindex - 1]
        return _NO_PAGE if _first_segment(path) in self._page_areas else NO_ROUTE


def api_requests(app: Litestar) -> Iterator[tuple[str, str]]:
    """List the requests that search or read the catalogue, without pages: (method, template)."""
    for template, properties, methods in _declared(app):
        if properties.kind in _API_KINDS and properties.errors == "problem":
            yield from ((method, template) for method in sorted(methods))


def route_of(scope: Scope) -> MatchedRoute:
    """Return the route that `normalize_paths` found for this request."""
    state: Mapping[str, Any] = scope.get("state", {})
    route: MatchedRoute = state.get(ROUTE, NO_ROUTE)
    return route


def _declared(app: Litestar) -> Iterator[tuple[str, RouteProperties, set[str]]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            handlers = {
                method: handler
                for method, (handler, _) in route.route_handler_map.items()
                if method != "OPTIONS"
            }
            # All methods of a path have the same properties; a test checks this.
            yield route.path_format, properties_of(next(iter(handlers.values()))), {*handlers}


def _first_segment(path: str) -> str:
    return path.split("/", 2)[1]


def _pattern(template: str) -> str:
    return _PARAMETER.sub(".+", re.escape(template))
