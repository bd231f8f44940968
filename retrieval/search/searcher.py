"""The use case: what a caller may ask, and an answer to it from one version of the index."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, nullcontext
from copy import copy
from typing import Any, TypeVar

import msgspec
import numpy as np

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run
from retrieval.catalogue.video import VideoRecord
from retrieval.errors import IndexUnavailableError, OverloadedError, VideoNotFoundError
from retrieval.index.reading import (
    NO_FILTER,
    IndexLease,
    IndexSource,
    Label,
    Moment,
    PairVector,
    SearchFilter,
    VideoIndex,
)
from retrieval.search.asking import ask_together
from retrieval.search.observer import UNOBSERVED, SearchObserver
from retrieval.search.ranking import Mode, Query, best_moments, rank_videos
from retrieval.search.recent_runs import RecentRuns
from retrieval.search.result_cache import ResultCache
from retrieval.text.lexical import weigh_query
from retrieval.text.vectors import Embedding, QueryEncoder

_KEPT_MOMENTS = 64
"""How many moments an answer may hold to be kept: twice the usual, about 60 kB. Larger ones are rare, and a
thousand of them would fill the memory."""

REMOTE_SECONDS = 1.0
"""How long one request may take beside a server, with all that it asks there."""

LOCAL_SECONDS = 2.0
"""How long one may wait beside an index in this process, where only a crowd before the encoder makes it wait.

What the engine itself takes runs on the event loop's thread and is not cut off, however long it is.
"""

ENCODING_SHARE = 0.5
"""After this share of its time without its embedding a hybrid search answers from words alone."""

_LABELS = 200
"""Of how many channels, and of how many languages, a caller is told: more than anyone chooses from."""

_CLASSIC_LIMIT = 5
_CLASSIC_DISTANCE = 40.0

_T = TypeVar("_T")


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One search, already checked: `offset + limit` is at most RANKED_VIDEOS."""

    text: str
    limit: int = 10
    offset: int = 0
    moments: int = 3
    mode: Mode = "hybrid"
    max_distance: float | None = None
    where: SearchFilter = NO_FILTER


class FoundVideo(msgspec.Struct, frozen=True):
    """One video of an answer. `distance` is Manhattan, of its nearest passage; best moments first.

    It is None, and so are the moments', where the query was not embedded.
    """

    record: VideoRecord
    distance: float | None
    moments: tuple[Moment, ...]


class SearchResult(msgspec.Struct, frozen=True):
    """An answer, and the version of the index that gave it. No method mixes two versions.

    `is_degraded`: it is from words alone, since the query was not embedded in time; it knows no distances.
    """

    index_version: str
    videos: tuple[FoundVideo, ...]
    is_degraded: bool = False


class CataloguePage(msgspec.Struct, frozen=True):
    """A page of the catalogue; `cursor` is None on the last one."""

    index_version: str
    videos: tuple[VideoRecord, ...]
    cursor: str | None


class CatalogueLabels(msgspec.Struct, frozen=True):
    """What the catalogue can be narrowed down to, with numbers of videos: the most frequent first.

    At most 200 of each.
    """

    channels: tuple[Label, ...]
    languages: tuple[Label, ...]


class Searcher:
    """Answers every question the API is asked, from one version of the index each.

    Every method raises IndexUnavailableError where there is no index, and OverloadedError where too
    many queries already wait.
    """

    _observer: SearchObserver = UNOBSERVED

    def __init__(
        self,
        *,
        encoder: QueryEncoder,
        source: IndexSource,
        cached_results: int,
        recent_runs: RecentRuns | None = None,
    ) -> None:
        """Search what `source` holds; up to `cached_results` answers are kept.

        `recent_runs` knows the log of the runs that filled it, if there is one.
        """
        self._encoder = encoder
        self._source = source
        self._results: ResultCache[Any] = ResultCache(cached_results)
        self._recent_runs = recent_runs

    def observe(self, observer: SearchObserver) -> None:
        """Tell this observer of every search from now on, and nobody else."""
        self._observer = observer

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator["Searcher"]:
        """Take one lease until the block ends, and yield a searcher whose every answer is of that version.

        A request that needs several answers takes them all from this searcher. Otherwise a switch between two
        of them would mix two versions. Raises IndexUnavailableError if there is no index.
        """
        async with self._source.lease() as index:
            searcher = copy(self)
            searcher._source = _PinnedIndex(index)  # noqa: SLF001 - a copy of this object.
            yield searcher

    async def search(self, request: SearchRequest) -> SearchResult:
        """Find videos and their best moments."""
        async with self._leased() as index:
            if request.limit * request.moments > _KEPT_MOMENTS or index.manifest.is_partial:
                result = await self._search(index, request)
            else:
                key = (index.manifest.index_version, request)
                result = await self._cached(key, lambda: self._search(index, request))
            if not request.offset:
                self._observer.found(request.mode, len(result.videos))
            return result

    async def classic(self, text: str) -> tuple[VideoRecord, ...]:
        """Answer as the tutorial does: at most 5 videos, ascending distance, all under 40."""
        async with self._leased() as index:
            if index.manifest.is_partial:
                records = await self._classic(index, text)
            else:
                key = (index.manifest.index_version, text)
                records = await self._cached(key, lambda: self._classic(index, text))
            self._observer.found("classic", len(records))
            return records

    async def search_inside(self, video_id: str, text: str, *, limit: int) -> SearchResult:
        """Find the best moments inside one video. Raises VideoNotFoundError."""
        async with self._leased() as index:
            record = await _record(index, video_id)
            embedding = await self._embed(text)
            with self._observer.stage("vector"):
                distances = await index.distances_of(embedding, [video_id])
            if video_id not in distances:
                raise _not_found()
            query = Query(embedding, weigh_query(text))
            moments = await best_moments(
                index, query, [video_id], "hybrid", limit=limit, observer=self._observer
            )
            found = FoundVideo(record, distances[video_id], moments[video_id])
            return SearchResult(index.manifest.index_version, (found,))

    async def similar(self, video_id: str, *, limit: int) -> SearchResult:
        """Find the nearest videos to one, without it and without moments. Raises VideoNotFoundError."""
        async with self._leased() as index:
            vector = await index.pair_vector(video_id)
            if vector is None:
                raise _not_found()
            with self._observer.stage("vector"):
                hits = await index.nearest_videos(vector, limit=limit + 1)
            others = [hit for hit in hits if hit.video_id != video_id][:limit]
            records = await index.videos([hit.video_id for hit in others])
            return SearchResult(
                index.manifest.index_version,
                tuple(
                    FoundVideo(records[hit.video_id], hit.distance, ())
                    for hit in others
                    if hit.video_id in records
                ),
            )

    async def catalogue(self, *, limit: int, cursor: str | None) -> CataloguePage:
        """List the catalogue, a page at a time. Raises CursorError."""
        async with self._leased() as index:
            videos, following = await index.page(limit=limit, cursor=cursor)
            return CataloguePage(index.manifest.index_version, tuple(videos), following)

    async def labels(self) -> CatalogueLabels:
        """Say to which channels and languages the catalogue can be narrowed down.

        No observer is told: it is no search, and whoever offers one asks first.
        """
        async with self._leased() as index:
            key = (index.manifest.index_version, CatalogueLabels)
            kept: CatalogueLabels | None = self._results.get(key)
            if kept is not None:
                return kept
            channels, languages = await ask_together(
                index, index.labels("channel", limit=_LABELS), index.labels("language", limit=_LABELS)
            )
            labels = CatalogueLabels(tuple(channels), tuple(languages))
            if not index.manifest.is_partial:
                self._results.put(key, labels)
            return labels

    async def video(self, video_id: str) -> VideoRecord:
        """Fetch one video. Raises VideoNotFoundError."""
        async with self._leased() as index:
            return await _record(index, video_id)

    async def manifest(self) -> Manifest:
        """Say what the live index is."""
        async with self._leased() as index:
            return index.manifest

    async def recent_runs(self) -> tuple[Run, ...]:
        """Say what the log of runs tells, the last one first: it may be at work. Empty where none is known.

        At most some seconds old, soon answered, and never an error: nobody should fail for the log.
        """
        return await self._recent_runs.get() if self._recent_runs else ()

    async def check(self) -> None:
        """Search for a canary, past every cache, and raise IndexUnavailableError unless the index answers.

        No observer is told: whoever polls would drown the searches of a quiet service.
        """
        async with self._leased() as index:
            canary = next(iter(index.manifest.canaries), "canary")
            embedding = await self._encoder.encode_query(canary)
            hits = await index.nearest_videos(_pair(embedding), limit=1)
            if not hits and index.manifest.counts.videos:
                raise IndexUnavailableError("The index answers, but finds nothing.")

    async def _embed(self, text: str) -> Embedding:
        with self._observer.stage("encode"):
            return await self._encoder.encode_query(text)

    async def _understand(self, request: SearchRequest, index: VideoIndex) -> Query:
        """Understand a query, or in time at least its words, where these can answer it.

        A crowd before the encoder is no reason to find nothing: words take no encoder.
        """
        words = weigh_query(request.text)
        if request.mode != "hybrid" or request.max_distance is not None or not words.indices:
            return Query(await self._embed(request.text), words)
        try:
            async with asyncio.timeout(_seconds_for(index) * ENCODING_SHARE):
                return Query(await self._embed(request.text), words)
        except (TimeoutError, OverloadedError):
            self._observer.degraded()
            return Query(None, words)

    async def _cached(self, key: Hashable, answer: Callable[[], Awaitable[_T]]) -> _T:
        kept: _T | None = self._results.get(key)
        self._observer.looked_up(hit=kept is not None)
        if kept is not None:
            return kept
        found = await answer()
        if not (isinstance(found, SearchResult) and found.is_degraded):
            self._results.put(key, found)
        return found

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[VideoIndex]:
        """Hold the live index for one request, and no longer than a person waits for it."""
        async with self._source.lease() as index:
            seconds = _seconds_for(index)
            try:
                async with asyncio.timeout(seconds):
                    yield index
            except TimeoutError as e:
                late = f"No answer within {seconds:g} s."
                raise (IndexUnavailableError(late) if index.is_remote else OverloadedError(late)) from e

    async def _search(self, index: VideoIndex, request: SearchRequest) -> SearchResult:
        query = await self._understand(request, index)
        ranked = await rank_videos(
            index,
            query,
            mode=request.mode,
            where=request.where,
            max_distance=request.max_distance,
            until=request.offset + request.limit,
            observer=self._observer,
        )
        chosen = ranked[request.offset : request.offset + request.limit]
        ids = [hit.video_id for hit in chosen]
        records, moments = await ask_together(
            index,
            index.videos(ids),
            best_moments(
                index,
                query,
                ids,
                request.mode,
                limit=request.moments,
                max_distance=request.max_distance,
                observer=self._observer,
            ),
        )
        return SearchResult(
            index.manifest.index_version,
            tuple(
                FoundVideo(records[hit.video_id], hit.distance, moments[hit.video_id])
                for hit in chosen
                if hit.video_id in records
            ),
            is_degraded=query.embedding is None,
        )

    async def _classic(self, index: VideoIndex, text: str) -> tuple[VideoRecord, ...]:
        embedding = await self._embed(text)
        with self._observer.stage("vector"):
            hits = await index.nearest_videos(
                _pair(embedding), limit=_CLASSIC_LIMIT, max_distance=_CLASSIC_DISTANCE
            )
        records = await index.videos([hit.video_id for hit in hits])
        return tuple(records[hit.video_id] for hit in hits if hit.video_id in records)


class _PinnedIndex:
    """An IndexSource of one index, whose lease the caller holds."""

    def __init__(self, index: VideoIndex) -> None:
        self._index = index

    def lease(self) -> IndexLease:
        return nullcontext(self._index)


def _seconds_for(index: VideoIndex) -> float:
    return REMOTE_SECONDS if index.is_remote else LOCAL_SECONDS


def _pair(embedding: Embedding) -> PairVector:
    return np.concatenate([embedding, embedding])


async def _record(index: VideoIndex, video_id: str) -> VideoRecord:
    records = await index.videos([video_id])
    if video_id not in records:
        raise _not_found()
    return records[video_id]


def _not_found() -> VideoNotFoundError:
    return VideoNotFoundError("No video of that id is in the index.")
