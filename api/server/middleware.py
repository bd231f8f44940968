"""The ASGI middleware around the app."""

from collections.abc import Callable, Iterable
from functools import partial

from litestar import Litestar
from litestar.types import ASGIApp

from api.access.proxies import trust_proxies
from api.observability.metrics import Metrics
from api.observability.readiness import Draining
from api.observability.recent_searches import RecentSearches
from api.observability.request_log import record_requests
from api.observability.tracing import Tracing
from api.server.admission import Admission, admit_searches
from api.wire.paths import normalize_paths
from api.wire.problem_responses import ProblemResponder
from api.wire.route_table import RouteTable

Middleware = Callable[[ASGIApp], ASGIApp]


def list_middleware(
    app: Litestar,
    *,
    trusted_proxies: Iterable[str],
    metrics: Metrics,
    recent: RecentSearches,
    tracing: Tracing,
    admission: Admission,
    draining: Draining,
    problems: ProblemResponder,
) -> list[Middleware]:
    """List the middleware from the outside to the inside."""
    return [
        partial(trust_proxies, proxies=trusted_proxies),
        partial(normalize_paths, routes=RouteTable.of(app)),
        partial(record_requests, metrics=metrics.requests, recent=recent, tracing=tracing),
        partial(
            admit_searches,
            admission=admission,
            draining=draining,
            problems=problems,
            cors=app.cors_config,
        ),
    ]


def wrap(app: ASGIApp, middleware: Iterable[Middleware]) -> ASGIApp:
    """Wrap an app in middleware, of which the first is the outermost."""
    for each in reversed([*middleware]):
        app = each(app)
    return app
