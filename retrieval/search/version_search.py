"""Searches one version of the index, without a cache."""

import asyncio

import msgspec

from retrieval.catalogue.video import VideoRecord
from retrieval.errors import IndexUnavailableError, OverloadedError, VideoNotFoundError
from retrieval.index.reading import VideoIndex
from retrieval.search.concurrency import gather_if_remote
from retrieval.search.observer import SearchObserver
from retrieval.search.ranking import Query, best_moments, rank_videos
from retrieval.search.results import CatalogueLabels, FoundVideo, SearchRequest, SearchResult
from retrieval.text.lexical import weigh_query
from retrieval.text.vectors import Embedding, QueryEncoder, pair

_LABELS = 200
"""The maximum number of channels, and of languages, that `labels` returns."""

_CLASSIC_LIMIT = 5
_CLASSIC_DISTANCE = 40.0


class TimeLimits(msgspec.Struct, frozen=True):
    """The maximum time for one answer, in seconds.

    `remote` applies with a Qdrant server, to all requests to it together. `local` applies with an embedded
    index and limits the wait for the encoder: the engine runs on the event loop and is not interrupted. After
    `encoding_share` of the time without an embedding, a hybrid search is answered from words alone.
    """

    remote: float = 1.0
    local: float = 2.0
    encoding_share: float = 0.5

    def seconds(self, index: VideoIndex) -> float:
        """Return the limit for this index."""
        return self.remote if index.is_remote else self.local


class VersionSearch:
    """Searches one leased index. Errors are those of the Searcher."""

    def __init__(
        self, index: VideoIndex, encoder: QueryEncoder, observer: SearchObserver, limits: TimeLimits
    ) -> None:
        self.index = index
        self.manifest = index.manifest
        self._encoder = encoder
        self._observer = observer
        self._limits = limits

    async def search(self, request: SearchRequest) -> SearchResult:
        """Find videos and their best moments."""
        query = await self._understand(request)
        ranked = await rank_videos(
            self.index,
            query,
            mode=request.mode,
            where=request.where,
            max_distance=request.max_distance,
            until=request.offset + request.limit,
            observer=self._observer,
        )
        chosen = ranked[request.offset : request.offset + request.limit]
        ids = [hit.video_id for hit in chosen]
        records, moments = await gather_if_remote(
            self.index,
            self.index.videos(ids),
            best_moments(
                self.index,
                query,
                ids,
                request.mode,
                limit=request.moments,
                max_distance=request.max_distance,
                observer=self._observer,
            ),
        )
        return SearchResult(
            self.manifest.index_version,
            tuple(
                FoundVideo(records[hit.video_id], hit.distance, moments[hit.video_id])
                for hit in chosen
                if hit.video_id in records
            ),
            is_degraded=query.embedding is None and request.mode != "lexical",
        )

    async def classic(self, text: str) -> tuple[VideoRecord, ...]:
        """Return at most 5 videos, nearest first, all under 40."""
        vector = pair(await self._embed(text))
        with self._observer.stage("vector"):
            hits = await self.index.nearest_videos(
                vector, limit=_CLASSIC_LIMIT, max_distance=_CLASSIC_DISTANCE
            )
        records = await self.index.videos([hit.video_id for hit in hits])
        return tuple(records[hit.video_id] for hit in hits if hit.video_id in records)

    async def search_inside(self, video_id: str, text: str, *, limit: int) -> SearchResult:
        """Find the best moments inside one video."""
        record = await self.video(video_id)
        embedding = await self._embed(text)
        with self._observer.stage("vector"):
            distances = await self.index.distances_of(embedding, [video_id])
        if video_id not in distances:
            raise _not_found()
        moments = await best_moments(
            self.index,
            Query(embedding, weigh_query(text)),
            [video_id],
            "hybrid",
            limit=limit,
            observer=self._observer,
        )
        found = FoundVideo(record, distances[video_id], moments[video_id])
        return SearchResult(self.manifest.index_version, (found,))

    async def similar(self, video_id: str, *, limit: int) -> SearchResult:
        """Find the videos nearest to a video, without itself or moments."""
        vector = await self.index.pair_vector(video_id)
        if vector is None:
            raise _not_found()
        with self._observer.stage("vector"):
            hits = await self.index.nearest_videos(vector, limit=limit + 1)
        others = [hit for hit in hits if hit.video_id != video_id][:limit]
        records = await self.index.videos([hit.video_id for hit in others])
        return SearchResult(
            self.manifest.index_version,
            tuple(
                FoundVideo(records[hit.video_id], hit.distance, ())
                for hit in others
                if hit.video_id in records
            ),
        )

    async def labels(self) -> CatalogueLabels:
        """Count the videos of each channel and language."""
        channels, languages = await gather_if_remote(
            self.index,
            self.index.labels("channel", limit=_LABELS),
            self.index.labels("language", limit=_LABELS),
        )
        return CatalogueLabels(tuple(channels), tuple(languages))

    async def video(self, video_id: str) -> VideoRecord:
        """Fetch one video."""
        records = await self.index.videos([video_id])
        if video_id not in records:
            raise _not_found()
        return records[video_id]

    async def check(self) -> None:
        """Search for a canary, and raise IndexUnavailableError if the search finds nothing."""
        canary = next(iter(self.manifest.canaries), "canary")
        embedding = await self._encoder.encode_query(canary)
        hits = await self.index.nearest_videos(pair(embedding), limit=1)
        if not hits and self.manifest.counts.videos:
            raise IndexUnavailableError("The index answers, but finds nothing.")

    async def _understand(self, request: SearchRequest) -> Query:
        """Weigh the words of a query, and embed it if the request needs an embedding.

        If the encoder is slow or overloaded, a hybrid search falls back to words alone.
        """
        words = weigh_query(request.text)
        if request.max_distance is None:
            if request.mode == "lexical":
                return Query(None, words)
            if request.mode == "hybrid" and words.indices:
                limit = self._limits.seconds(self.index) * self._limits.encoding_share
                try:
                    async with asyncio.timeout(limit):
                        return Query(await self._embed(request.text), words)
                except (TimeoutError, OverloadedError):
                    self._observer.degraded()
                    return Query(None, words)
        return Query(await self._embed(request.text), words)

    async def _embed(self, text: str) -> Embedding:
        with self._observer.stage("encode"):
            return await self._encoder.encode_query(text)


def _not_found() -> VideoNotFoundError:
    return VideoNotFoundError("No video of that id is in the index.")
