"""Wires the rooms together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import msgspec
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide

from api.access.guard import guard_access
from api.access.live_keys import LiveKeys
from api.access.proxies import believe_proxies
from api.access.rate_limits import RateLimits
from api.access.settings import AccessSettings, is_loopback
from api.observability.health import Expectations
from api.observability.metrics import Metrics, watch_lag
from api.observability.readiness import Draining, Readiness
from api.observability.recent_searches import RecentSearches
from api.observability.request_log import RouteTemplates, watch_requests
from api.observability.scraping import Scraper
from api.observability.scraping import metrics as metrics_route
from api.observability.tracing import Tracing
from api.pages.search_page import PageChoices, app_page, search_page, video_page
from api.pages.status_page import StatusReader, status_activity, status_page
from api.pages.templating import serve_page_assets, template_config
from api.routes.classic import classic_search, info, root
from api.routes.documentation import describe_api, serve_assets
from api.routes.embed_script import serve_embed_script
from api.routes.health import health, livez, readyz, startupz
from api.routes.search import search, search_batch
from api.routes.videos import get_video, list_videos, search_video, similar_videos
from api.server.admission import Admission, admit_searches
from api.server.response_headers import (
    EXPOSED,
    PAGE_POLICY,
    PAGE_POLICY_WITHOUT_THUMBNAILS,
    complete_headers,
    of_pages,
)
from api.settings import ApiSettings
from api.wire.paths import normalize_paths
from api.wire.problems import respond
from retrieval.opening import open_searcher
from retrieval.search.searcher import Searcher

OpenSearch = Callable[[ApiSettings], AbstractAsyncContextManager[Searcher]]


class Services(msgspec.Struct):
    """What the handlers need, there from the start of the app to its end."""

    searcher: Searcher
    readiness: Readiness
    scraper: Scraper
    status_reader: StatusReader


def open_search(settings: ApiSettings) -> AbstractAsyncContextManager[Searcher]:
    """Open the index that the settings name."""
    return open_searcher(settings.search)


def create_app(
    settings: ApiSettings, *, open_search: OpenSearch = open_search, draining: Draining | None = None
) -> Litestar:
    """Build the service. Its start opens the search and its end closes it; building it does neither.

    `draining` begins when whoever runs it was told to stop. Where `/metrics` is to have a port of its own,
    `state.metrics_app` is what to serve there meanwhile.
    """
    draining = draining or Draining()
    opened: list[Services] = []
    metrics = Metrics()
    recent = RecentSearches()
    tracing = Tracing(settings.traces_endpoint)
    access = settings.access
    has_metrics = settings.metrics_port is None
    pages = of_pages(PAGE_POLICY if settings.page_thumbnails else PAGE_POLICY_WITHOUT_THUMBNAILS)
    keys = LiveKeys(access, may_be_off=access.open or settings.is_local)
    guard = guard_access(access, keys, RateLimits(access))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(keys.followed())
            tracing.start()
            stack.push_async_callback(tracing.close)
            searcher = await stack.enter_async_context(open_search(settings))
            searcher.observe(tracing.observing(metrics))
            readiness = Readiness(searcher, draining)
            stack.push_async_callback(readiness.close)
            scraper = Scraper(metrics, searcher, readiness)
            stack.push_async_callback(scraper.close)
            stack.callback(asyncio.create_task(watch_lag(metrics.lagged)).cancel)
            status_reader = StatusReader(
                searcher, readiness, settings.expected, recent=recent, keys=keys, has_metrics=has_metrics
            )
            opened.append(Services(searcher, readiness, scraper, status_reader))
            stack.callback(opened.clear)
            yield

    def provide_searcher() -> Searcher:
        return opened[0].searcher

    def provide_readiness() -> Readiness:
        return opened[0].readiness

    def provide_expectations() -> Expectations:
        return settings.expected

    def provide_choices() -> PageChoices:
        return PageChoices(settings.page_thumbnails, keys.asked_for)

    def provide_scraper() -> Scraper:
        return opened[0].scraper

    def provide_status_reader() -> StatusReader:
        return opened[0].status_reader

    scraper = {"scraper": Provide(provide_scraper, sync_to_thread=False)}
    app = Litestar(
        [
            root,
            info,
            classic_search,
            search,
            search_batch,
            list_videos,
            get_video,
            search_video,
            similar_videos,
            livez,
            readyz,
            startupz,
            health,
            status_page,
            *([metrics_route, status_activity] if has_metrics else []),
            serve_assets(),
            serve_page_assets(),
            serve_embed_script(),
            app_page,
            search_page,
            video_page,
        ],
        lifespan=[lifespan],
        guards=[guard],
        before_send=[complete_headers(access, pages)],
        cors_config=_cors(access),
        dependencies={
            "searcher": Provide(provide_searcher, sync_to_thread=False),
            "readiness": Provide(provide_readiness, sync_to_thread=False),
            "expected": Provide(provide_expectations, sync_to_thread=False),
            "status_reader": Provide(provide_status_reader, sync_to_thread=False),
            "choices": Provide(provide_choices, sync_to_thread=False),
            **scraper,
        },
        exception_handlers={Exception: respond},
        openapi_config=describe_api(),
        template_config=template_config(),
        logging_config=None,
        debug=False,
    )
    admitted = admit_searches(app.asgi_handler, Admission(settings.max_searches), draining, app.cors_config)
    watched = watch_requests(
        admitted,
        metrics=metrics,
        recent=recent,
        tracing=tracing,
        templates=RouteTemplates(route.path_format for route in app.routes),
    )
    # What is refused before the app hears of it is counted by whoever refuses it.
    app.state.metrics = metrics
    app.asgi_handler = believe_proxies(normalize_paths(watched), access.trusted_proxies)
    if not has_metrics:
        app.state.metrics_app = Litestar(
            [metrics_route],
            # Whoever is on this machine may read them without a key: its own Prometheus.
            guards=[] if is_loopback(settings.metrics_host) else [guard],
            dependencies=scraper,
            exception_handlers={Exception: respond},
            openapi_config=None,
            logging_config=None,
            debug=False,
        )
    return app


def _cors(access: AccessSettings) -> CORSConfig | None:
    if not access.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(access.cors_origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type", "traceparent", "X-API-Key", "X-Request-ID"],
        expose_headers=list(EXPOSED),
    )
