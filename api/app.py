"""The wiring of the service: routes, services, guard, error handling and middleware."""

import asyncio
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.types import ControllerRouterHandler, Guard

from api.access.guard import guard_access
from api.access.proxies import trust_proxies
from api.access.rate_limits import RateLimits
from api.access.settings import is_loopback
from api.observability.request_log import record_requests
from api.observability.scraping import metrics_route
from api.pages.problem_page import render_problem
from api.pages.search_page import app_page, search_page, video_page
from api.pages.status_page import status_activity, status_page
from api.pages.templating import serve_page_assets, template_config
from api.routes.classic import classic_search, info, root
from api.routes.documentation import describe_api, serve_assets
from api.routes.embed_script import serve_embed_script
from api.routes.health import health, livez, readyz, startupz
from api.routes.media import media
from api.routes.search import search, search_batch
from api.routes.videos import get_video, list_videos, search_video, similar_videos
from api.server.admission import Admission, admit_searches
from api.server.response_headers import complete_headers, cors_config
from api.services import OpenSearch, Services
from api.settings import ApiSettings
from api.wire.paths import normalize_paths
from api.wire.problem_responses import ProblemResponder
from api.wire.route_table import RouteTable, api_requests
from retrieval.opening import open_searcher
from retrieval.search.searcher import Searcher


def open_search(settings: ApiSettings) -> AbstractAsyncContextManager[Searcher]:
    """Open the index that the settings name."""
    return open_searcher(settings.search)


def create_app(
    settings: ApiSettings, *, open_search: OpenSearch = open_search, draining: asyncio.Event | None = None
) -> Litestar:
    """Build the service. Its lifespan opens and closes the index; building it does neither.

    `draining` is set when the process receives a signal to stop. `state.metrics` counts requests that are
    refused before the app receives them. If `METRICS_PORT` is set, `state.metrics_app` is the app to serve
    there.
    """
    draining = draining or asyncio.Event()
    services = Services(settings, open_search, draining)
    problems = ProblemResponder(render_problem)
    guard = guard_access(settings.access, services.keys, RateLimits(settings.access))
    app = Litestar(
        _routes(settings),
        lifespan=[services.open],
        guards=[guard],
        before_send=[complete_headers(settings.access, thumbnails=settings.page_thumbnails != "off")],
        cors_config=cors_config(settings.access),
        dependencies=services.dependencies(),
        exception_handlers={Exception: problems.respond},
        openapi_config=describe_api(),
        template_config=template_config(),
        logging_config=None,
        debug=False,
    )
    # From the inside to the outside.
    admitted = admit_searches(
        app.asgi_handler, Admission(settings.max_searches), draining, problems, app.cors_config
    )
    recorded = record_requests(admitted, services.metrics.requests, services.recent, services.tracing)
    normalized = normalize_paths(recorded, RouteTable.of(app))
    app.asgi_handler = trust_proxies(normalized, settings.access.trusted_proxies)
    services.metrics.requests.create_series(api_requests(app))
    app.state.metrics = services.metrics.requests
    if settings.metrics_port is not None:
        app.state.metrics_app = _metrics_app(settings, services, guard)
    return app


def _routes(settings: ApiSettings) -> list[ControllerRouterHandler]:
    routes: list[ControllerRouterHandler] = [
        root,
        info,
        classic_search,
        search,
        search_batch,
        list_videos,
        get_video,
        search_video,
        similar_videos,
        media,
        livez,
        readyz,
        startupz,
        health,
        app_page,
        search_page,
        video_page,
        status_page,
        serve_page_assets(),
        serve_embed_script(),
        serve_assets(),
    ]
    return routes if settings.metrics_port else [*routes, metrics_route, status_activity]


def _metrics_app(settings: ApiSettings, services: Services, guard: Guard) -> Litestar:
    """Build the app with `/metrics` alone, for its own port."""
    return Litestar(
        [metrics_route],
        # On a loopback address no key is needed: only a Prometheus on this machine can connect.
        guards=[] if is_loopback(settings.metrics_host) else [guard],
        dependencies=services.dependencies(),
        exception_handlers={Exception: ProblemResponder().respond},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
