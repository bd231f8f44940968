"""The services behind the routes: opened when the app starts, and closed in reverse order when it stops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.di import Provide

from api.access.live_keys import LiveKeys
from api.media.addresses import VideoAddresses, find_addresses
from api.media.files import MediaFiles
from api.observability.metrics import Metrics
from api.observability.readiness import Readiness
from api.observability.recent_searches import RecentSearches
from api.observability.tracing import Tracing
from api.pages.search_page import PageChoices
from api.pages.status_page import StatusReader
from api.settings import ApiSettings
from retrieval.background import background_task
from retrieval.search.searcher import Searcher

OpenSearch = Callable[[ApiSettings], AbstractAsyncContextManager[Searcher]]


class _Opened(msgspec.Struct):
    """What exists only while the app runs."""

    searcher: Searcher
    readiness: Readiness
    status_reader: StatusReader
    files: MediaFiles


class Services:
    """The services of one app. Those that need the index exist only while the app runs."""

    def __init__(self, settings: ApiSettings, open_search: OpenSearch, draining: asyncio.Event) -> None:
        self._settings = settings
        self._open_search = open_search
        self._draining = draining
        self._opened: _Opened | None = None
        self.metrics = Metrics()
        self.recent = RecentSearches()
        self.tracing = Tracing(settings.traces_endpoint)
        self.keys = LiveKeys(settings.access, exposed=() if settings.access.open else settings.exposed)

    @asynccontextmanager
    async def open(self, _: Litestar) -> AsyncIterator[None]:
        """Open everything until the block ends (the lifespan of the app). Raises VidsearchError."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            following_keys = await stack.enter_async_context(self.keys.followed())
            files = MediaFiles(settings.media_dir)
            await stack.enter_async_context(files.available())
            self.tracing.start()
            stack.push_async_callback(self.tracing.close)
            searcher = await stack.enter_async_context(self._open_search(settings))
            searcher.observe(self.tracing.observing(self.metrics.searches))
            readiness = Readiness(searcher, self._draining)
            readiness.require(following_keys)
            for work, name in (
                (readiness.keep_current(), "canary searches"),
                (self.metrics.watch_lag(), "event loop lag"),
            ):
                readiness.require(await stack.enter_async_context(background_task(work, name)))
            status_reader = StatusReader(
                searcher,
                readiness,
                settings.expected,
                recent=self.recent,
                keys=self.keys,
                has_metrics=settings.metrics_port is None,
            )
            self._opened = _Opened(searcher, readiness, status_reader, files)
            try:
                yield
            finally:
                self._opened = None

    def dependencies(self) -> dict[str, Provide]:
        """Provide the services to the handlers, by argument name."""
        choices = self._settings.page_thumbnails
        return {
            "searcher": _provide(lambda: self._running.searcher),
            "readiness": _provide(lambda: self._running.readiness),
            "status_reader": _provide(lambda: self._running.status_reader),
            "files": _provide(lambda: self._running.files),
            "addresses": Provide(self._addresses),
            "metrics": _provide(lambda: self.metrics),
            "expected": _provide(lambda: self._settings.expected),
            "choices": _provide(lambda: PageChoices(choices, self.keys.required)),
        }

    async def _addresses(self, request: Request[Any, Any, Any]) -> VideoAddresses:
        return await find_addresses(request.scope, self._running.files, self._running.searcher)

    @property
    def _running(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError("The app is not running: enter its lifespan first.")
        return self._opened


def _provide(service: Callable[[], object]) -> Provide:
    return Provide(service, sync_to_thread=False)
