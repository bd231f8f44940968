"""The Searcher: the requests that the API can make, each answered from one version of the index."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from copy import copy
from typing import Generic, TypeVar

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.run_log import RunLog
from retrieval.catalogue.runs import Run
from retrieval.catalogue.video import VideoRecord
from retrieval.errors import IndexUnavailableError, OverloadedError
from retrieval.index.live_index import IndexSource
from retrieval.index.reading import VideoIndex
from retrieval.search.observer import UNOBSERVED, SearchObserver
from retrieval.search.results import CatalogueLabels, CataloguePage, SearchRequest, SearchResult
from retrieval.search.version_search import TimeLimits, VersionSearch
from retrieval.text.vectors import QueryEncoder

_CACHED_MOMENTS = 64
"""The maximum number of moments of a cached result: twice the default, about 60 kB. A cache full of larger
results would fill the memory."""

_TIME_LIMITS = TimeLimits()

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class ResultCache(Generic[_K, _V]):
    """The last used `size` values of one type. It is used on the event loop only, so it needs no lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[_K, _V] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        """Return a value and mark it as used, or return None if it is not stored."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: _K, value: _V) -> None:
        """Store a value. If the cache is full, drop the least recently used value."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._size:
            self._values.popitem(last=False)


class Searcher:
    """Answers each call from one version of the index.

    Every method raises IndexUnavailableError if there is no index or it does not answer, and OverloadedError
    if too many queries are waiting.
    """

    _observer: SearchObserver = UNOBSERVED

    def __init__(
        self,
        *,
        encoder: QueryEncoder,
        source: IndexSource,
        cached_results: int,
        run_log: RunLog | None = None,
        time_limits: TimeLimits = _TIME_LIMITS,
    ) -> None:
        """Search the live index of `source`.

        Up to `cached_results` results are cached, of `search` and of `classic` each.
        """
        self._encoder = encoder
        self._source = source
        self._run_log = run_log
        self._time_limits = time_limits
        self._results = ResultCache[tuple[str, SearchRequest], SearchResult](cached_results)
        self._classic_results = ResultCache[tuple[str, str], tuple[VideoRecord, ...]](cached_results)
        # The labels of the live version, and of the previous one in case of a rollback.
        self._labels = ResultCache[str, CatalogueLabels](min(cached_results, 2))

    def observe(self, observer: SearchObserver) -> None:
        """Report every search from now on to this observer, in place of the previous one."""
        self._observer = observer

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator["Searcher"]:
        """Take one lease until the block ends, and yield a searcher that answers from that version only.

        A request that needs several answers uses it. Otherwise a switch between two of them would mix two
        versions.
        """
        async with self._source.lease() as index:
            searcher = copy(self)
            searcher._source = _PinnedIndex(index)  # noqa: SLF001 - a copy of this object.
            yield searcher

    async def search(self, request: SearchRequest) -> SearchResult:
        """Find videos and their best moments."""
        async with self._leased() as version:
            if request.limit * request.moments > _CACHED_MOMENTS:
                result = await version.search(request)
            else:
                result = await self._cached(
                    self._results,
                    version,
                    request,
                    version.search,
                    keep=lambda result: not result.is_degraded,  # The next answer may be complete.
                )
            if not request.offset:
                self._observer.found(request.mode, len(result.videos))
            return result

    async def classic(self, text: str) -> tuple[VideoRecord, ...]:
        """Return what the tutorial's search returns: at most 5 videos, nearest first, all under 40."""
        async with self._leased() as version:
            records = await self._cached(self._classic_results, version, text, version.classic)
            self._observer.found("classic", len(records))
            return records

    async def search_inside(self, video_id: str, text: str, *, limit: int) -> SearchResult:
        """Find the best moments inside one video. Raises VideoNotFoundError."""
        async with self._leased() as version:
            return await version.search_inside(video_id, text, limit=limit)

    async def similar(self, video_id: str, *, limit: int) -> SearchResult:
        """Find the videos nearest to a video, without itself or moments. Raises VideoNotFoundError."""
        async with self._leased() as version:
            return await version.similar(video_id, limit=limit)

    async def catalogue(self, *, limit: int, cursor: str | None) -> CataloguePage:
        """Return one page of the catalogue. Raises CursorError."""
        async with self._leased() as version:
            videos, next_cursor = await version.index.page(limit=limit, cursor=cursor)
            return CataloguePage(version.manifest.index_version, tuple(videos), next_cursor)

    async def labels(self) -> CatalogueLabels:
        """Return the channels and languages by which a search can be filtered.

        The observer is not called, because this is not a search.
        """
        async with self._leased() as version:
            labels = self._labels.get(version.manifest.index_version)
            if labels is None:
                labels = await version.labels()
                if not version.manifest.is_partial:
                    self._labels.put(version.manifest.index_version, labels)
            return labels

    async def video(self, video_id: str) -> VideoRecord:
        """Fetch one video. Raises VideoNotFoundError."""
        async with self._leased() as version:
            return await version.video(video_id)

    @property
    def is_followed(self) -> bool:
        """Whether new versions of the index will be noticed; if not, the service must be restarted."""
        return self._source.is_followed

    async def manifest(self) -> Manifest:
        """Return the manifest of the live index."""
        async with self._leased() as version:
            return version.manifest

    async def recent_runs(self) -> tuple[Run, ...]:
        """Return the recent ingest runs, newest first, as cached by the run log. Never raises."""
        return await self._run_log.recent() if self._run_log else ()

    async def check(self) -> None:
        """Search for a canary without a cache, and raise IndexUnavailableError if the search finds nothing.

        The observer is not called: a poller would outnumber the searches of a quiet service.
        """
        async with self._leased() as version:
            await version.check()

    async def _cached(
        self,
        cache: ResultCache[tuple[str, _K], _V],
        version: VersionSearch,
        question: _K,
        answer: Callable[[_K], Awaitable[_V]],
        *,
        keep: Callable[[_V], bool] = lambda _: True,
    ) -> _V:
        """Return the cached answer of this version, or compute it, and cache it if `keep` allows.

        Answers from an index that a run is writing to are not cached.
        """
        if version.manifest.is_partial:
            return await answer(question)
        key = (version.manifest.index_version, question)
        value = cache.get(key)
        self._observer.looked_up(hit=value is not None)
        if value is None:
            value = await answer(question)
            if keep(value):
                cache.put(key, value)
        return value

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[VersionSearch]:
        """Lease the live index for one answer, within the time limit."""
        async with self._source.lease() as index:
            seconds = self._time_limits.seconds(index)
            try:
                async with asyncio.timeout(seconds):
                    yield VersionSearch(index, self._encoder, self._observer, self._time_limits)
            except TimeoutError as e:
                message = f"No answer within {seconds:g} s."
                raise (IndexUnavailableError(message) if index.is_remote else OverloadedError(message)) from e


class _PinnedIndex:
    """An IndexSource of one index, whose lease the caller holds."""

    is_followed = True

    def __init__(self, index: VideoIndex) -> None:
        self._index = index

    def lease(self) -> AbstractAsyncContextManager[VideoIndex]:
        return nullcontext(self._index)
