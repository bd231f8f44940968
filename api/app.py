"""Wires the rooms together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
from litestar import Litestar
from litestar.di import Provide

from api.admission import Admission, admit_searches
from api.classic import classic_search, info, root
from api.documentation import describe_api, serve_assets
from api.draining import Draining
from api.health import Readiness, health, livez, readyz, startupz
from api.problems import respond
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


def create_app(
    settings: ApiSettings, *, open_search: OpenSearch = open_search, draining: Draining | None = None
) -> Litestar:
    """Build the service. Its start opens the search and its end closes it; building it does neither.

    `draining` begins when whoever runs it was told to stop.
    """
    draining = draining or Draining()
    opened: list[Services] = []

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with open_search(settings) as searcher:
            readiness = Readiness(searcher, draining)
            opened.append(Services(searcher, readiness))
            try:
                yield
            finally:
                await readiness.close()
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
            startupz,
            health,
            serve_assets(),
        ],
        lifespan=[lifespan],
        dependencies={
            "searcher": Provide(provide_searcher, sync_to_thread=False),
            "readiness": Provide(provide_readiness, sync_to_thread=False),
        },
        exception_handlers={Exception: respond},
        openapi_config=describe_api(),
        logging_config=None,
        debug=False,
    )
    app.asgi_handler = admit_searches(
        keep_video_ids_whole(app.asgi_handler), Admission(settings.max_searches), draining
    )
    return app
