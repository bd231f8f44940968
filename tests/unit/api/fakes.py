"""Searchers for tests: one echoes, one finds nothing, one raises. No model, no index."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import NoReturn

from api.settings import ApiSettings
from retrieval.catalogue.manifest import IndexCounts, Manifest, ModelIdentity, PassageSettings
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.catalogue.video import VideoRecord
from retrieval.errors import CursorError, IndexUnavailableError, VideoNotFoundError
from retrieval.index.hits import Label, Moment
from retrieval.search.results import CatalogueLabels, CataloguePage, FoundVideo, SearchRequest, SearchResult
from retrieval.search.searcher import Searcher

VERSION = "v-test-1"
MANIFEST = Manifest(
    index_version=VERSION,
    model=ModelIdentity(name="all-MiniLM-L6-v2", weights_sha256="53aa", dimension=384),
    passage_settings=PassageSettings(),
    counts=IndexCounts(videos=3, passages=7, videos_with_transcript=2),
    built_at=datetime(2024, 5, 31, 12, tzinfo=UTC),
)

RUN = Run(
    began_at=datetime(2024, 5, 31, 11, tzinfo=UTC),
    sources=("/home/someone/talks.csv",),
    ended_at=datetime(2024, 5, 31, 12, tzinfo=UTC),
    outcome=RunOutcome.PUBLISHED,
    index_version=VERSION,
)


def record(video_id: str = "tLf2bGhmWsI", title: str = "Transformers") -> VideoRecord:
    return VideoRecord(
        video_id=video_id,
        title=title,
        title_as_given=title,
        published_at=datetime(2024, 5, 31, 12, tzinfo=UTC),
        channel="A channel",
        language="en",
        duration=600.0,
        tags=("ml",),
        passages=7,
        has_transcript=True,
    )


class EchoSearcher(Searcher):
    """Answers with the values of the request, and records the requests."""

    is_followed = True

    def __init__(self) -> None:
        self.requests: list[SearchRequest] = []
        self.asked: list[tuple[object, ...]] = []
        self.checks = 0

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator[Searcher]:
        yield self

    async def search(self, request: SearchRequest) -> SearchResult:
        self.requests.append(request)
        videos = tuple(
            FoundVideo(
                record(title=request.text),
                27.123456,
                tuple(Moment(12.9, 45.5, f"said {n}", 27.123456 + n) for n in range(request.moments)),
            )
            for _ in range(request.limit)
        )
        return SearchResult(VERSION, videos)

    async def classic(self, text: str) -> tuple[VideoRecord, ...]:
        self.asked.append(("classic", text))
        return tuple(record(f"id{n}", f"{text} {n}") for n in range(5))

    async def search_inside(self, video_id: str, text: str, *, limit: int) -> SearchResult:
        self.asked.append(("inside", video_id, text, limit))
        moments = (Moment(None, None, text, 3.0), Moment(1.0, 2.0, "more", 4.0))
        return SearchResult(VERSION, (FoundVideo(record(video_id), 3.0, moments[:limit]),))

    async def similar(self, video_id: str, *, limit: int) -> SearchResult:
        self.asked.append(("similar", video_id, limit))
        return SearchResult(VERSION, (FoundVideo(record("other"), 5.0, ()),))

    async def catalogue(self, *, limit: int, cursor: str | None) -> CataloguePage:
        self.asked.append(("catalogue", limit, cursor))
        return CataloguePage(VERSION, (record("a"), record("b")), "next" if cursor is None else None)

    async def labels(self) -> CatalogueLabels:
        self.asked.append(("labels",))
        channels = (Label("A channel", 2), Label("Another & more", 1))
        return CatalogueLabels(channels, (Label("en", 2), Label("de", 1)))

    async def video(self, video_id: str) -> VideoRecord:
        self.asked.append(("video", video_id))
        return record(video_id)

    async def manifest(self) -> Manifest:
        return MANIFEST

    async def recent_runs(self) -> tuple[Run, ...]:
        return (RUN,)

    async def check(self) -> None:
        self.checks += 1


class EmptySearcher(EchoSearcher):
    """Has an index with nothing in it."""

    async def search(self, request: SearchRequest) -> SearchResult:
        self.requests.append(request)
        return SearchResult(VERSION, ())

    async def classic(self, text: str) -> tuple[VideoRecord, ...]:
        self.asked.append(("classic", text))
        return ()

    async def search_inside(self, video_id: str, text: str, *, limit: int) -> SearchResult:
        raise VideoNotFoundError(video_id, text, limit)

    async def similar(self, video_id: str, *, limit: int) -> SearchResult:
        raise VideoNotFoundError(video_id, limit)

    async def catalogue(self, *, limit: int, cursor: str | None) -> CataloguePage:
        if cursor is not None:
            raise CursorError(f"{cursor} of {limit}")
        return CataloguePage(VERSION, (), None)

    async def labels(self) -> CatalogueLabels:
        self.asked.append(("labels",))
        return CatalogueLabels((), ())

    async def video(self, video_id: str) -> VideoRecord:
        raise VideoNotFoundError(video_id)


class RaisingSearcher(EchoSearcher):
    """Raises one error in every method."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error or IndexUnavailableError("/home/someone/.data/index is not there")

    async def _raise(self, *_: object, **__: object) -> NoReturn:
        raise self.error

    search = classic = search_inside = similar = catalogue = labels = video = manifest = _raise

    async def check(self) -> None:
        self.checks += 1
        raise self.error


class PinnedSearcher(RaisingSearcher):
    """Answers through `pinned` only, and counts the leases."""

    def __init__(self) -> None:
        super().__init__()
        self.leases = 0

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator[Searcher]:
        self.leases += 1
        yield EchoSearcher()


def opens(searcher: Searcher) -> Callable[[ApiSettings], AbstractAsyncContextManager[Searcher]]:
    @asynccontextmanager
    async def open_search(_: ApiSettings) -> AsyncIterator[Searcher]:
        yield searcher

    return open_search
