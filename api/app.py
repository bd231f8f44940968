"""Wires the rooms together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide

from api.access import guard_access
from api.access_settings import AccessSettings, is_loopback
from api.classic import classic_search, info, root
from api.documentation import describe_api, serve_assets
from api.health import Readiness, health, livez, readyz
from api.live_keys import LiveKeys
from api.problems import respond
from api.rate_limits import RateLimits
from api.response_headers import EXPOSED, complete_headers
from api.search import search, search_batch
from api.settings import ApiSettings
from api.video_paths import keep_video_ids_whole
from api.videos import get_video, list_videos, search_video, similar_videos
from retrieval.opening import open_searcher
from retrieval.search import Searcher

OpenSearch = Callable[[ApiSettings], AbstractAsyncContextManager[Searcher]]


class Services(msgspec.Struct):
    """What the handlers need, there from the start of the app to its end."""

    searcher: Searcher
    readiness: Readiness


def open_search(settings: ApiSettings) -> AbstractAsyncContextManager[Searcher]:
    """Open the index that the settings name."""
    return open_searcher(settings.search)


def create_app(settings: ApiSettings, *, open_search: OpenSearch = open_search) -> Litestar:
    """Build the service. Its start opens the search and its end closes it; building it does neither."""
    opened: list[Services] = []
    access = settings.access
    keys = LiveKeys(access, may_be_off=access.open or is_loopback(settings.host))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with keys.followed(), open_search(settings) as searcher:
            opened.append(Services(searcher, Readiness(searcher)))
            try:
                yield
            finally:
                opened.clear()

    def provide_searcher() -> Searcher:
        return opened[0].searcher

    def provide_readiness() -> Readiness:
        return opened[0].readiness

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
            health,
            serve_assets(),
        ],
        lifespan=[lifespan],
        guards=[guard_access(access, keys, RateLimits(access))],
        before_send=[complete_headers(access)],
        cors_config=_cors(access),
        dependencies={
            "searcher": Provide(provide_searcher, sync_to_thread=False),
            "readiness": Provide(provide_readiness, sync_to_thread=False),
        },
        exception_handlers={Exception: respond},
        openapi_config=describe_api(),
        logging_config=None,
        debug=False,
    )
    app.asgi_handler = keep_video_ids_whole(app.asgi_handler)
    return app


def _cors(access: AccessSettings) -> CORSConfig | None:
    if not access.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(access.cors_origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        expose_headers=list(EXPOSED),
    )
