"""The properties of a route, declared on the route in its `opt`.

The access guard, admission, metrics, the request log, error pages and response headers all read them here, so
a new route is declared once: `@get("/new", opt=SEARCH.opt)`.
"""

from typing import Any, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler

KeyScope = Literal["search", "metrics", "admin"]
"""What an API key may be used for. `admin` includes the others."""

RouteKind = Literal[
    "info",  # describes the service
    "search",  # runs a search; the charts of `/status` count it
    "catalogue",  # reads the catalogue
    "page",  # a page for people, or a part of one
    "documentation",  # the OpenAPI document and its page
    "media",  # an owner's audio and video files
    "asset",  # a script or a style sheet
    "probe",  # health, for machines that poll
    "metrics",
    "undeclared",
    "unmatched",  # stands for every path without a route
]
ErrorFormat = Literal["problem", "page", "negotiated"]
"""How errors of a route are sent: as problem+json, as an HTML page, or as the `Accept` header prefers."""

_OPT_KEY = "properties"
_OPTIONS = {"OPTIONS"}


class RouteProperties(msgspec.Struct, frozen=True, kw_only=True):
    """What the code around a route needs to know of it.

    `key_scope`: the scope of the API key that a caller needs, if keys are in use; None: no key.
    `searches`: how many searches a request counts as for admission (`MAX_SEARCHES`). 0: always admitted.
    `checks_host`: whether `ALLOWED_HOSTS` applies. Kubelets and Prometheus send an address as the host.
    `takes_ticket`: whether a ticket in the address can replace the key (`api.access.tickets`).
    `is_rate_limited`: whether requests count against the rate limits.
    `is_polled`: machines request it all the time, so it is logged at debug level and is not traced.
    """

    kind: RouteKind
    key_scope: KeyScope | None = None
    takes_ticket: bool = False
    searches: int = 0
    errors: ErrorFormat = "problem"
    checks_host: bool = True
    is_rate_limited: bool = True
    is_polled: bool = False

    @property
    def opt(self) -> dict[str, Any]:
        """The `opt` of a route that has these properties."""
        return {_OPT_KEY: self}


INFO = RouteProperties(kind="info")
ROOT = RouteProperties(kind="info", errors="negotiated", is_polled=True)
SEARCH = RouteProperties(kind="search", key_scope="search", searches=1)
CATALOGUE = RouteProperties(kind="catalogue", key_scope="search", searches=1)
SEARCH_PAGE = RouteProperties(kind="search", key_scope="search", searches=1, errors="page")
PAGE = RouteProperties(kind="page", errors="page", is_rate_limited=False)
STATUS_PAGE = RouteProperties(kind="page", errors="page", is_rate_limited=False, is_polled=True)
STATUS_ACTIVITY = RouteProperties(
    kind="page",
    key_scope="metrics",
    errors="page",
    checks_host=False,
    is_rate_limited=False,
    is_polled=True,
)
# A player sends many requests for one file, so they do not count against the rate limits.
MEDIA = RouteProperties(kind="media", key_scope="search", takes_ticket=True, is_rate_limited=False)
DOCUMENTATION = RouteProperties(kind="documentation", is_rate_limited=False)
ASSET = RouteProperties(kind="asset", is_rate_limited=False)
PROBE = RouteProperties(kind="probe", checks_host=False, is_rate_limited=False, is_polled=True)
METRICS = RouteProperties(
    kind="metrics", key_scope="metrics", checks_host=False, is_rate_limited=False, is_polled=True
)
UNDECLARED = RouteProperties(kind="undeclared", key_scope="admin")
"""A route that declares nothing is closed to everyone but an admin."""


def properties_of(handler: BaseRouteHandler) -> RouteProperties:
    """Return what a handler declares. Litestar's own OPTIONS handlers are open: they list methods."""
    if isinstance(handler, HTTPRouteHandler) and handler.http_methods == _OPTIONS:
        return INFO
    declared = handler.opt.get(_OPT_KEY)
    return declared if isinstance(declared, RouteProperties) else UNDECLARED
