import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.catalogue.video import VideoRecord
from retrieval.errors import CursorError, IndexUnavailableError, OverloadedError, VideoNotFoundError
from retrieval.index.hits import Label, LabelField, Moment, PassageHit
from retrieval.index.reading import SearchFilter, VideoIndex
from retrieval.search.results import CatalogueLabels, SearchRequest
from retrieval.search.searcher import ResultCache, Searcher
from retrieval.search.version_search import TimeLimits
from retrieval.text.vectors import Embedding, QueryEncoder
from tests.support.embedded_videos import embedded, manifest_of, passage, vector
from tests.support.engines import EmbeddedEngine
from tests.support.observers import KeepingObserver
from tests.support.sources import HeldIndex, RaisingEncoder, TableEncoder, VersionedIndex

pytestmark = pytest.mark.anyio

QUERIES = {"at the origin": vector(0, 0), "at ten": vector(10, 0)}

CATALOGUE = [
    embedded("a", (1, 0, 0, 0), channel="x", passages=[
        passage((5, 0, 0, 0), "later", start=50.0, end=60.0),
        passage((1, 0, 0, 0), "first", start=1.0, end=2.0),
        passage((3, 0, 0, 0), "zebra in between", start=30.0, end=40.0),
    ]),
    embedded("b", (2, 0, 0, 0), channel="y", published_at=datetime(2024, 1, 1, tzinfo=UTC)),
    embedded("c", (3, 0, 0, 0), passages=[passage((3, 0, 0, 0), None)]),
    embedded("d", (4, 0, 0, 0), text="zebra", passages=[
        passage((4, 0, 0, 0), "silence"),
        passage((7, 0, 0, 0), "zebra zebra"),
    ]),
    embedded("e", (20, 0, 19.5, 0)),
    embedded("f", (20, 0, 20, 0)),
    embedded("g", (40, 0, 40, 0)),
]  # fmt: skip


@pytest.fixture(scope="module")
async def index(index_folders: Callable[[], Path]) -> AsyncIterator[VideoIndex]:
    engine = EmbeddedEngine(index_folders())
    yield await engine.build(CATALOGUE)
    await engine.close()


@pytest.fixture
def encoder() -> TableEncoder:
    return TableEncoder(QUERIES, default=vector(0, 0))


@pytest.fixture
def source(index: VideoIndex) -> HeldIndex:
    return HeldIndex(index)


@pytest.fixture
def searcher(encoder: TableEncoder, source: HeldIndex) -> Searcher:
    return Searcher(encoder=encoder, source=source, cached_results=8)


async def test_a_result_has_records_distances_and_moments(searcher: Searcher, index: VideoIndex) -> None:
    answer = await searcher.search(SearchRequest(text="at the origin", limit=3, moments=2, mode="semantic"))
    assert answer.index_version == index.manifest.index_version
    assert [(found.record, found.distance) for found in answer.videos] == [
        (CATALOGUE[0].record, 1.0),
        (CATALOGUE[1].record, 2.0),
        (CATALOGUE[2].record, 3.0),
    ]
    assert answer.videos[0].moments == (
        Moment(1.0, 2.0, "first", 1.0),
        Moment(30.0, 40.0, "zebra in between", 3.0),
    )
    assert answer.videos[2].moments == ()


async def test_offset_limit_max_distance_and_filters_select_videos(searcher: Searcher) -> None:
    async def found(**asked: object) -> list[str]:
        answer = await searcher.search(SearchRequest(text="at the origin", mode="semantic", **asked))
        return [video.record.video_id for video in answer.videos]

    assert await found() == ["a", "b", "c", "d", "e", "f", "g"]
    assert await found(limit=2, offset=1) == ["b", "c"]
    assert await found(limit=5, offset=6) == ["g"]
    assert await found(limit=5, offset=7) == []
    assert await found(max_distance=3.0) == ["a", "b"]
    assert await found(where=SearchFilter(channel="y")) == ["b"]
    assert await found(where=SearchFilter(published_after=datetime(2024, 1, 2, tzinfo=UTC))) == []


async def test_the_mode_applies_to_videos_and_moments(searcher: Searcher) -> None:
    lexical = await searcher.search(SearchRequest(text="zebra", mode="lexical", moments=1))
    assert [found.record.video_id for found in lexical.videos] == ["d"]
    assert lexical.videos[0].moments[0].text == "zebra zebra"
    semantic = await searcher.search(SearchRequest(text="zebra", mode="semantic", moments=1))
    assert [found.moments[0].text for found in semantic.videos if found.moments][:3] == [
        "first",
        "nothing",
        "silence",
    ]
    hybrid = await searcher.search(SearchRequest(text="zebra", moments=0))
    assert all(found.moments == () for found in hybrid.videos)
    assert {found.record.video_id for found in hybrid.videos} == set("abcdefg")


async def test_classic_returns_at_most_five_videos_nearest_first(searcher: Searcher) -> None:
    records = await searcher.classic("at the origin")
    assert records == tuple(video.record for video in CATALOGUE[:5])


async def test_the_classic_threshold_is_strict(
    index_folders: Callable[[], Path], encoder: TableEncoder
) -> None:
    engine = EmbeddedEngine(index_folders())
    videos = [
        embedded("at", (40, 0, 0, 0)),
        embedded("under", (39.75, 0, 0, 0)),
        embedded("over", (41, 0, 0, 0)),
    ]
    searcher = Searcher(encoder=encoder, source=HeldIndex(await engine.build(videos)), cached_results=8)
    assert [record.video_id for record in await searcher.classic("at the origin")] == ["under"]
    await engine.close()


class ChangingIndex:
    """An index without the video `gone` and without one passage, although searches still find them."""

    def __init__(self, index: VideoIndex, gone: str) -> None:
        self._index = index
        self._gone = gone

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    async def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRecord]:
        found = await self._index.videos(video_ids)
        return {video_id: record for video_id, record in found.items() if video_id != self._gone}

    async def moments(self, hits: Sequence[PassageHit]) -> dict[UUID, Moment]:
        moments = await self._index.moments(hits)
        return {passage: moment for passage, moment in moments.items() if moment.text != "first"}


async def test_a_video_that_is_removed_during_the_search_is_left_out(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    source.index = ChangingIndex(index, gone="b")
    classic = await searcher.classic("at the origin")
    assert [record.video_id for record in classic] == ["a", "c", "d", "e"]
    answer = await searcher.search(SearchRequest(text="at the origin", limit=3))
    assert [found.record.video_id for found in answer.videos] == ["a", "c"]
    assert [moment.text for moment in answer.videos[0].moments] == ["zebra in between", "later"]
    assert "b" not in {found.record.video_id for found in (await searcher.similar("a", limit=5)).videos}
    with pytest.raises(VideoNotFoundError):
        await searcher.video("b")


async def test_search_inside_a_video_whose_passages_are_removed_raises_not_found(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    class WithoutPassages(ChangingIndex):
        async def distances_of(self, _: Embedding, __: Sequence[str]) -> dict[str, float]:
            return {}

    source.index = WithoutPassages(index, gone="")
    with pytest.raises(VideoNotFoundError):
        await searcher.search_inside("a", "at the origin", limit=3)


async def test_results_of_a_partial_index_are_not_cached(encoder: TableEncoder, index: VideoIndex) -> None:
    class Partial(ChangingIndex):
        manifest = msgspec.structs.replace(index.manifest, is_partial=True)

    searcher = Searcher(encoder=encoder, source=HeldIndex(Partial(index, gone="")), cached_results=8)
    for ask in (lambda: searcher.search(SearchRequest(text="q")), lambda: searcher.classic("q")):
        before = len(encoder.asked)
        assert await ask() == await ask()
        assert len(encoder.asked) == before + 2


async def test_a_repeated_search_is_answered_from_the_cache(
    searcher: Searcher, encoder: TableEncoder
) -> None:
    one = await searcher.search(SearchRequest(text="at the origin"))
    assert await searcher.search(SearchRequest(text="at the origin")) is one
    assert encoder.asked == ["at the origin"]
    classic = await searcher.classic("at the origin")
    assert await searcher.classic("at the origin") is classic
    assert encoder.asked == ["at the origin"] * 2


@pytest.mark.parametrize(
    "other",
    [
        SearchRequest(text="At the origin"),
        SearchRequest(text="at the origin", limit=2),
        SearchRequest(text="at the origin", offset=1),
        SearchRequest(text="at the origin", moments=1),
        SearchRequest(text="at the origin", mode="semantic"),
        SearchRequest(text="at the origin", max_distance=3.0),
        SearchRequest(text="at the origin", where=SearchFilter(channel="x")),
    ],
)
async def test_a_search_that_differs_in_any_field_is_not_answered_from_the_cache(
    searcher: Searcher, encoder: TableEncoder, other: SearchRequest
) -> None:
    await searcher.search(SearchRequest(text="at the origin"))
    await searcher.search(other)
    assert len(encoder.asked) == 2


async def test_a_new_version_of_the_index_is_searched_again(
    searcher: Searcher, encoder: TableEncoder, source: HeldIndex, index: VideoIndex
) -> None:
    request = SearchRequest(text="at the origin")
    old = await searcher.search(request)
    await searcher.classic("at the origin")
    source.index = VersionedIndex(index, "v-next")
    new = await searcher.search(request)
    await searcher.classic("at the origin")
    assert len(encoder.asked) == 4
    assert (old.index_version, new.index_version) == (index.manifest.index_version, "v-next")
    # After a rollback, the cached results of the old version are valid again.
    source.index = index
    assert await searcher.search(request) is old


async def test_an_error_is_not_cached(source: HeldIndex, encoder: TableEncoder, index: VideoIndex) -> None:
    searcher = Searcher(encoder=encoder, source=source, cached_results=8)
    source.index = None
    with pytest.raises(IndexUnavailableError):
        await searcher.search(SearchRequest(text="at the origin"))
    source.index = index
    assert (await searcher.search(SearchRequest(text="at the origin"))).videos


async def test_search_inside_a_video_sorts_its_moments(searcher: Searcher) -> None:
    answer = await searcher.search_inside("a", "at the origin", limit=2)
    (found,) = answer.videos
    assert (found.record.video_id, found.distance) == ("a", 1.0)
    assert [moment.text for moment in found.moments] == ["first", "zebra in between"]
    answer = await searcher.search_inside("a", "at ten", limit=1)
    # The passage at 5 is nearest to (10, 0).
    assert [(moment.text, moment.distance) for moment in answer.videos[0].moments] == [("later", 15.0)]
    assert answer.videos[0].distance == 15.0


async def test_search_inside_a_video_without_a_transcript_finds_no_moment(searcher: Searcher) -> None:
    (found,) = (await searcher.search_inside("c", "at the origin", limit=5)).videos
    assert (found.distance, found.moments) == (3.0, ())


async def test_similar_leaves_out_the_video_itself(searcher: Searcher) -> None:
    answer = await searcher.similar("b", limit=3)
    assert [(found.record.video_id, found.distance) for found in answer.videos] == [
        ("a", 1.0),
        ("c", 1.0),
        ("d", 2.0),
    ]
    assert all(found.moments == () for found in answer.videos)
    assert len((await searcher.similar("b", limit=50)).videos) == len(CATALOGUE) - 1


async def test_similar_leaves_out_the_video_itself_among_identical_videos(
    index_folders: Callable[[], Path], encoder: TableEncoder
) -> None:
    engine = EmbeddedEngine(index_folders())
    identical = [embedded(name, (1, 0, 0, 0)) for name in "abcdef"]
    searcher = Searcher(encoder=encoder, source=HeldIndex(await engine.build(identical)), cached_results=8)
    for video in identical:
        answer = await searcher.similar(video.record.video_id, limit=3)
        assert len(answer.videos) == 3
        assert video.record.video_id not in {found.record.video_id for found in answer.videos}
    await engine.close()


async def test_an_unknown_video_raises_not_found(searcher: Searcher) -> None:
    with pytest.raises(VideoNotFoundError):
        await searcher.video("absent")
    with pytest.raises(VideoNotFoundError):
        await searcher.similar("absent", limit=3)
    with pytest.raises(VideoNotFoundError):
        await searcher.search_inside("absent", "at the origin", limit=3)


async def test_the_cursors_lead_through_the_whole_catalogue(searcher: Searcher, index: VideoIndex) -> None:
    listed: list[str] = []
    cursor = None
    for _ in range(3):
        page = await searcher.catalogue(limit=3, cursor=cursor)
        assert page.index_version == index.manifest.index_version
        listed += [record.video_id for record in page.videos]
        cursor = page.cursor
    assert cursor is None
    assert sorted(listed) == list("abcdefg")
    with pytest.raises(CursorError):
        await searcher.catalogue(limit=3, cursor="nonsense")


class SilentIndex:
    """An index whose searches find nothing, although its manifest counts videos."""

    is_remote = False
    manifest = manifest_of(CATALOGUE, canaries=("a canary", "another"))

    async def nearest_videos(self, *_: object, **__: object) -> list[object]:
        return []


async def test_the_check_searches_for_a_canary_without_a_cache(
    searcher: Searcher, encoder: TableEncoder, source: HeldIndex, index: VideoIndex
) -> None:
    await searcher.check()
    await searcher.check()
    assert len(encoder.asked) == 2
    source.index = VersionedIndex(index, "v")
    source.index.manifest = SilentIndex.manifest
    await searcher.check()
    assert encoder.asked[-1] == "a canary"


async def test_the_check_fails_if_an_index_with_videos_finds_nothing(
    searcher: Searcher, source: HeldIndex
) -> None:
    source.index = SilentIndex()
    with pytest.raises(IndexUnavailableError):
        await searcher.check()


async def test_the_check_passes_for_an_empty_index(
    searcher: Searcher, source: HeldIndex, index_folders: Callable[[], Path]
) -> None:
    engine = EmbeddedEngine(index_folders())
    source.index = await engine.build([])
    await searcher.check()
    await engine.close()


class CountedIndex(VersionedIndex):
    """Records the calls of `labels`."""

    def __init__(self, index: VideoIndex, version: str = "v", *, is_partial: bool = False) -> None:
        super().__init__(index, version)
        self.manifest = msgspec.structs.replace(self.manifest, is_partial=is_partial)
        self.calls: list[tuple[str, int]] = []

    async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
        self.calls.append((field, limit))
        return await self._index.labels(field, limit=limit)


BOTH_FIELDS = [("channel", 200), ("language", 200)]


async def test_the_labels_are_those_of_the_live_index(searcher: Searcher) -> None:
    assert await searcher.labels() == CatalogueLabels((Label("x", 1), Label("y", 1)), ())


async def test_the_labels_of_a_version_are_cached(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    one, other = CountedIndex(index, "one"), CountedIndex(index, "other")
    source.index = one
    labels = await searcher.labels()
    assert await searcher.labels() is labels
    assert one.calls == BOTH_FIELDS
    source.index = other
    await searcher.labels()
    assert other.calls == BOTH_FIELDS
    # After a rollback, the cached labels of the old version are valid again.
    source.index = one
    assert await searcher.labels() is labels
    assert one.calls == BOTH_FIELDS


async def test_labels_of_a_partial_index_are_not_cached(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    source.index = partial = CountedIndex(index, is_partial=True)
    assert await searcher.labels() == await searcher.labels()
    assert partial.calls == BOTH_FIELDS * 2


async def test_an_error_while_counting_labels_is_not_cached(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    class FailingIndex(CountedIndex):
        async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
            found = await super().labels(field, limit=limit)
            if self.calls == BOTH_FIELDS:
                raise IndexUnavailableError("No answer.")
            return found

    source.index = FailingIndex(index)
    with pytest.raises(IndexUnavailableError):
        await searcher.labels()
    assert source.leases == 0
    assert (await searcher.labels()).channels


def embedding_calls(searcher: Searcher) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: searcher.search(SearchRequest(text="q")),
        lambda: searcher.classic("q"),
        lambda: searcher.search_inside("a", "q", limit=1),
        searcher.check,
    ]


def other_calls(searcher: Searcher) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: searcher.similar("a", limit=1),
        lambda: searcher.catalogue(limit=1, cursor=None),
        searcher.labels,
        lambda: searcher.video("a"),
        searcher.manifest,
    ]


async def test_without_an_index_every_call_raises_unavailable(searcher: Searcher, source: HeldIndex) -> None:
    source.index = None
    for ask in embedding_calls(searcher) + other_calls(searcher):
        with pytest.raises(IndexUnavailableError):
            await ask()


async def test_every_call_returns_its_lease(searcher: Searcher, source: HeldIndex) -> None:
    for ask in embedding_calls(searcher) + other_calls(searcher):
        await ask()
        assert source.leases == 0


async def test_a_pinned_searcher_stays_on_its_version_with_one_lease(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    async with searcher.pinned() as pinned:
        source.index = VersionedIndex(index, "v-next")
        request = SearchRequest(text="at the origin")
        assert (await pinned.search(request)).index_version == index.manifest.index_version
        assert (await pinned.similar("a", limit=1)).index_version == index.manifest.index_version
        for ask in embedding_calls(pinned) + other_calls(pinned):
            await ask()
            assert source.leases == 1
        assert (await searcher.search(request)).index_version == "v-next"
    assert source.leases == 0


async def test_an_overloaded_encoder_raises_and_the_lease_is_returned(source: HeldIndex) -> None:
    searcher = Searcher(
        encoder=RaisingEncoder(OverloadedError("Try again.")), source=source, cached_results=8
    )
    search, *others = embedding_calls(searcher)
    for ask in others:
        with pytest.raises(OverloadedError):
            await ask()
        assert source.leases == 0
    await search()  # Answered from words alone.
    assert source.leases == 0


class StuckEncoder:
    async def encode_query(self, text: str) -> Embedding:
        await asyncio.sleep(60)
        raise AssertionError(text)


@pytest.mark.parametrize("encoder", [StuckEncoder(), RaisingEncoder(OverloadedError("Try again."))])
async def test_a_hybrid_search_without_an_embedding_in_time_is_answered_from_words(
    source: HeldIndex, encoder: QueryEncoder
) -> None:
    limits = TimeLimits(local=30.0, encoding_share=0.001)
    searcher = Searcher(encoder=encoder, source=source, cached_results=8, time_limits=limits)
    observer = KeepingObserver()
    searcher.observe(observer)
    request = SearchRequest(text="zebra")
    result = await searcher.search(request)
    assert result.is_degraded
    (found,) = result.videos
    assert (found.record.video_id, found.distance) == ("d", None)
    assert found.moments == (Moment(None, None, "zebra zebra", None),)
    # A degraded result is not cached: the next one may be complete.
    assert (await searcher.search(request)).is_degraded
    assert observer.degradations == 2
    assert observer.counts == [("hybrid", 1)] * 2


async def test_a_lexical_search_needs_no_encoder(source: HeldIndex) -> None:
    encoder = RaisingEncoder(OverloadedError("Try again."))
    searcher = Searcher(encoder=encoder, source=source, cached_results=8)
    observer = KeepingObserver()
    searcher.observe(observer)
    result = await searcher.search(SearchRequest(text="zebra", mode="lexical"))
    (found,) = result.videos
    assert (found.record.video_id, found.distance) == ("d", None)
    assert found.moments == (Moment(None, None, "zebra zebra", None),)
    assert (result.is_degraded, observer.degradations) == (False, 0)


async def test_a_lexical_search_with_max_distance_has_distances(searcher: Searcher) -> None:
    result = await searcher.search(SearchRequest(text="zebra", mode="lexical", max_distance=20.0))
    assert [(found.record.video_id, found.distance) for found in result.videos] == [("d", 4.0)]


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest(text="bread", mode="semantic"),
        SearchRequest(text="bread", mode="lexical", max_distance=20.0),
        SearchRequest(text="bread", max_distance=20.0),
        SearchRequest(text="?!"),
    ],
)
async def test_a_search_that_needs_an_embedding_raises_if_the_encoder_is_overloaded(
    source: HeldIndex, request_: SearchRequest
) -> None:
    encoder = RaisingEncoder(OverloadedError("Try again."))
    with pytest.raises(OverloadedError):
        await Searcher(encoder=encoder, source=source, cached_results=8).search(request_)


async def test_an_answer_that_exceeds_the_time_limit_raises_overloaded(source: HeldIndex) -> None:
    limits = TimeLimits(local=0.02)
    searcher = Searcher(encoder=StuckEncoder(), source=source, cached_results=8, time_limits=limits)
    with pytest.raises(OverloadedError, match="No answer within"):
        await searcher.classic("bread")
    assert source.leases == 0


@pytest.fixture
def observer(searcher: Searcher) -> KeepingObserver:
    observer = KeepingObserver()
    searcher.observe(observer)
    return observer


async def test_the_observer_sees_results_and_cache_hits(
    searcher: Searcher, observer: KeepingObserver
) -> None:
    for _ in range(2):
        await searcher.search(SearchRequest(text="zebra", mode="lexical"))
        await searcher.classic("at the origin")
    await searcher.search(SearchRequest(text="unheard-of", mode="lexical"))
    assert observer.hits == [False, False, True, True, False]
    assert observer.counts == [("lexical", 1), ("classic", 5)] * 2 + [("lexical", 0)]


async def test_a_later_page_is_not_counted_as_a_search(searcher: Searcher, observer: KeepingObserver) -> None:
    await searcher.search(SearchRequest(text="at the origin", offset=100))
    assert observer.counts == []


async def test_the_observer_sees_neither_the_check_nor_labels(
    searcher: Searcher, observer: KeepingObserver
) -> None:
    await searcher.check()
    await searcher.labels()
    await searcher.labels()
    assert (observer.ended, observer.hits) == ([], [])


cache_keys = st.integers(0, 6)
cache_calls = st.lists(
    st.tuples(st.sampled_from(["get", "put"]), cache_keys, st.integers(1, 99)), max_size=60
)


@given(st.integers(0, 4), cache_calls)
def test_a_cache_stores_exactly_the_recently_used_values(
    size: int, sequence: list[tuple[str, int, int]]
) -> None:
    cache, values = ResultCache[int, int](size), dict[int, int]()
    stored: list[int] = []  # Keys, least recently used first.
    for call, key, value in sequence:
        if call == "put":
            cache.put(key, value)
            values[key] = value
        else:
            assert cache.get(key) == (values[key] if key in stored else None)
            if key not in stored:
                continue
        stored = [*(other for other in stored if other != key), key][-size:] if size else []
    for key in range(7):
        assert cache.get(key) == (values[key] if key in stored else None)
