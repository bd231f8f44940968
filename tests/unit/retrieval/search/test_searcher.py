import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from retrieval.catalogue.video import VideoRecord
from retrieval.errors import (
    CursorError,
    IndexUnavailableError,
    OverloadedError,
    VideoNotFoundError,
)
from retrieval.index.reading import Label, LabelField, Moment, PassageHit, SearchFilter, VideoIndex
from retrieval.search import searcher as search
from retrieval.search.searcher import CatalogueLabels, Searcher, SearchRequest
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


# Searching.


async def test_an_answer_has_records_distances_and_moments(searcher: Searcher, index: VideoIndex) -> None:
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


async def test_pages_narrow_down_and_continue(searcher: Searcher) -> None:
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


async def test_the_mode_reaches_the_ranking_and_the_moments(searcher: Searcher) -> None:
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


# The tutorial's route.


async def test_classic_is_five_at_most_nearest_first(searcher: Searcher) -> None:
    records = await searcher.classic("at the origin")
    assert records == tuple(video.record for video in CATALOGUE[:5])


async def test_classic_leaves_out_what_is_at_forty(searcher: Searcher) -> None:
    # From (10, 0): e is at 19.5, f at 20, d at 16, a to c between 17 and 19, and g at 60.
    records = await searcher.classic("at ten")
    assert [record.video_id for record in records] == ["d", "c", "b", "a", "e"]


async def test_the_classic_limit_is_strict(index_folders: Callable[[], Path], encoder: TableEncoder) -> None:
    engine = EmbeddedEngine(index_folders())
    videos = [
        embedded("at", (40, 0, 0, 0)),
        embedded("under", (39.75, 0, 0, 0)),
        embedded("over", (41, 0, 0, 0)),
    ]
    searcher = Searcher(encoder=encoder, source=HeldIndex(await engine.build(videos)), cached_results=8)
    assert [record.video_id for record in await searcher.classic("at the origin")] == ["under"]
    await engine.close()


# A server that is written to while it is searched.


class ForgetfulIndex:
    """An index that a run writes to: what one call finds, the next ones no longer hold."""

    def __init__(self, index: VideoIndex, gone: str) -> None:
        self._index = index
        self._gone = gone

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    async def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRecord]:
        found = await self._index.videos(video_ids)
        return {video_id: record for video_id, record in found.items() if video_id != self._gone}

    async def moments(self, hits: Sequence[PassageHit]) -> dict[UUID, Moment]:
        told = await self._index.moments(hits)
        return {passage: moment for passage, moment in told.items() if moment.text != "first"}


async def test_a_video_that_is_removed_meanwhile_is_left_out(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    source.index = ForgetfulIndex(index, gone="b")
    classic = await searcher.classic("at the origin")
    assert [record.video_id for record in classic] == ["a", "c", "d", "e"]
    answer = await searcher.search(SearchRequest(text="at the origin", limit=3))
    assert [found.record.video_id for found in answer.videos] == ["a", "c"]
    assert [moment.text for moment in answer.videos[0].moments] == ["zebra in between", "later"]
    assert "b" not in {found.record.video_id for found in (await searcher.similar("a", limit=5)).videos}
    with pytest.raises(VideoNotFoundError):
        await searcher.video("b")


async def test_a_video_whose_passages_are_removed_meanwhile_is_not_found_inside(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    class WithoutPassages(ForgetfulIndex):
        async def distances_of(self, _: Embedding, __: Sequence[str]) -> dict[str, float]:
            return {}

    source.index = WithoutPassages(index, gone="")
    with pytest.raises(VideoNotFoundError):
        await searcher.search_inside("a", "at the origin", limit=3)


# The cache.


async def test_answers_of_an_index_that_is_being_written_to_are_not_kept(
    encoder: TableEncoder, index: VideoIndex
) -> None:
    class Partial(ForgetfulIndex):
        manifest = msgspec.structs.replace(index.manifest, is_partial=True)

    searcher = Searcher(encoder=encoder, source=HeldIndex(Partial(index, gone="")), cached_results=8)
    for ask in (lambda: searcher.search(SearchRequest(text="q")), lambda: searcher.classic("q")):
        before = len(encoder.asked)
        assert await ask() == await ask()
        assert len(encoder.asked) == before + 2


async def test_the_same_question_is_answered_once(searcher: Searcher, encoder: TableEncoder) -> None:
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
        SearchRequest(text="at the origin", mode="lexical"),
        SearchRequest(text="at the origin", max_distance=3.0),
        SearchRequest(text="at the origin", where=SearchFilter(channel="x")),
    ],
)
async def test_another_question_is_answered_anew(
    searcher: Searcher, encoder: TableEncoder, other: SearchRequest
) -> None:
    await searcher.search(SearchRequest(text="at the origin"))
    await searcher.search(other)
    assert len(encoder.asked) == 2


async def test_a_new_version_of_the_index_answers_anew(
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
    # After a roll back the old answers are right again.
    source.index = index
    assert await searcher.search(request) is old


async def test_no_cache_answers_every_time(source: HeldIndex, encoder: TableEncoder) -> None:
    searcher = Searcher(encoder=encoder, source=source, cached_results=0)
    for _ in range(2):
        await searcher.search(SearchRequest(text="at the origin"))
    assert len(encoder.asked) == 2


async def test_an_error_is_not_cached(source: HeldIndex, encoder: TableEncoder, index: VideoIndex) -> None:
    searcher = Searcher(encoder=encoder, source=source, cached_results=8)
    source.index = None
    with pytest.raises(IndexUnavailableError):
        await searcher.search(SearchRequest(text="at the origin"))
    source.index = index
    assert (await searcher.search(SearchRequest(text="at the origin"))).videos


# One video.


async def test_inside_a_video_the_best_moments_come_first(searcher: Searcher) -> None:
    answer = await searcher.search_inside("a", "at the origin", limit=2)
    (found,) = answer.videos
    assert (found.record.video_id, found.distance) == ("a", 1.0)
    assert [moment.text for moment in found.moments] == ["first", "zebra in between"]
    answer = await searcher.search_inside("a", "at ten", limit=1)
    # From (10, 0) the nearest is the one at 5.
    assert [(moment.text, moment.distance) for moment in answer.videos[0].moments] == [("later", 15.0)]
    assert answer.videos[0].distance == 15.0


async def test_inside_a_video_without_a_transcript_there_is_no_moment(searcher: Searcher) -> None:
    (found,) = (await searcher.search_inside("c", "at the origin", limit=5)).videos
    assert (found.distance, found.moments) == (3.0, ())


async def test_similar_leaves_the_video_itself_out(searcher: Searcher) -> None:
    answer = await searcher.similar("b", limit=3)
    assert [(found.record.video_id, found.distance) for found in answer.videos] == [
        ("a", 1.0),
        ("c", 1.0),
        ("d", 2.0),
    ]
    assert all(found.moments == () for found in answer.videos)
    assert len((await searcher.similar("b", limit=50)).videos) == len(CATALOGUE) - 1


async def test_similar_among_twins_still_leaves_itself_out(
    index_folders: Callable[[], Path], encoder: TableEncoder
) -> None:
    engine = EmbeddedEngine(index_folders())
    twins = [embedded(name, (1, 0, 0, 0)) for name in "abcdef"]
    searcher = Searcher(encoder=encoder, source=HeldIndex(await engine.build(twins)), cached_results=8)
    for video in twins:
        answer = await searcher.similar(video.record.video_id, limit=3)
        assert len(answer.videos) == 3
        assert video.record.video_id not in {found.record.video_id for found in answer.videos}
    await engine.close()


async def test_a_video_that_is_not_there_is_not_found(searcher: Searcher) -> None:
    with pytest.raises(VideoNotFoundError):
        await searcher.video("absent")
    with pytest.raises(VideoNotFoundError):
        await searcher.similar("absent", limit=3)
    with pytest.raises(VideoNotFoundError):
        await searcher.search_inside("absent", "at the origin", limit=3)


async def test_a_video_is_fetched_by_its_id(searcher: Searcher) -> None:
    assert await searcher.video("b") == CATALOGUE[1].record


# The catalogue, the manifest, the check.


async def test_the_catalogue_is_walked_by_its_cursors(searcher: Searcher, index: VideoIndex) -> None:
    walked: list[str] = []
    cursor = None
    for _ in range(3):
        page = await searcher.catalogue(limit=3, cursor=cursor)
        assert page.index_version == index.manifest.index_version
        walked += [record.video_id for record in page.videos]
        cursor = page.cursor
    assert cursor is None
    assert sorted(walked) == list("abcdefg")
    with pytest.raises(CursorError):
        await searcher.catalogue(limit=3, cursor="nonsense")


async def test_the_manifest_is_that_of_the_live_index(searcher: Searcher, index: VideoIndex) -> None:
    assert await searcher.manifest() == index.manifest


class SilentIndex:
    """Holds videos, says its manifest, and finds none."""

    is_remote = False
    manifest = manifest_of(CATALOGUE, canaries=("a canary", "another"))

    async def nearest_videos(self, *_: object, **__: object) -> list[object]:
        return []


async def test_the_check_asks_for_a_canary_every_time(
    searcher: Searcher, encoder: TableEncoder, source: HeldIndex, index: VideoIndex
) -> None:
    await searcher.check()
    await searcher.check()
    assert len(encoder.asked) == 2
    source.index = VersionedIndex(index, "v")
    source.index.manifest = SilentIndex.manifest
    await searcher.check()
    assert encoder.asked[-1] == "a canary"


async def test_the_check_fails_where_an_index_with_videos_finds_nothing(
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


# The labels.


class CountedIndex(VersionedIndex):
    """Keeps what labels it is asked for."""

    def __init__(self, index: VideoIndex, version: str = "v", *, is_partial: bool = False) -> None:
        super().__init__(index, version)
        self.manifest = msgspec.structs.replace(self.manifest, is_partial=is_partial)
        self.asked: list[tuple[str, int]] = []

    async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
        self.asked.append((field, limit))
        return await self._index.labels(field, limit=limit)


ASKED = [("channel", 200), ("language", 200)]


async def test_the_labels_are_those_of_the_live_index(searcher: Searcher) -> None:
    assert await searcher.labels() == CatalogueLabels((Label("x", 1), Label("y", 1)), ())


async def test_the_labels_of_a_version_are_asked_for_once(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    one, other = CountedIndex(index, "one"), CountedIndex(index, "other")
    source.index = one
    labels = await searcher.labels()
    assert await searcher.labels() is labels
    assert one.asked == ASKED
    source.index = other
    await searcher.labels()
    assert other.asked == ASKED
    # After a roll back the old ones are right again.
    source.index = one
    assert await searcher.labels() is labels
    assert one.asked == ASKED


async def test_labels_of_an_index_that_is_being_written_to_are_not_kept(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    source.index = partial = CountedIndex(index, is_partial=True)
    assert await searcher.labels() == await searcher.labels()
    assert partial.asked == ASKED * 2


async def test_labels_that_could_not_be_counted_are_not_kept(
    searcher: Searcher, source: HeldIndex, index: VideoIndex
) -> None:
    class FailingIndex(CountedIndex):
        async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
            found = await super().labels(field, limit=limit)
            if self.asked == ASKED:
                raise IndexUnavailableError("No answer.")
            return found

    source.index = FailingIndex(index)
    with pytest.raises(IndexUnavailableError):
        await searcher.labels()
    assert source.leases == 0
    assert (await searcher.labels()).channels


# Without an index, and under load.


def embedding_questions(searcher: Searcher) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: searcher.search(SearchRequest(text="q")),
        lambda: searcher.classic("q"),
        lambda: searcher.search_inside("a", "q", limit=1),
        searcher.check,
    ]


def other_questions(searcher: Searcher) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: searcher.similar("a", limit=1),
        lambda: searcher.catalogue(limit=1, cursor=None),
        searcher.labels,
        lambda: searcher.video("a"),
        searcher.manifest,
    ]


async def test_without_an_index_every_question_says_so(searcher: Searcher, source: HeldIndex) -> None:
    source.index = None
    for ask in embedding_questions(searcher) + other_questions(searcher):
        with pytest.raises(IndexUnavailableError):
            await ask()


async def test_every_lease_is_given_back(searcher: Searcher, source: HeldIndex) -> None:
    for ask in embedding_questions(searcher) + other_questions(searcher):
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
        for ask in embedding_questions(pinned) + other_questions(pinned):
            await ask()
            assert source.leases == 1
        assert (await searcher.search(request)).index_version == "v-next"
    assert source.leases == 0


async def test_too_many_queries_are_told_so_and_give_their_lease_back(source: HeldIndex) -> None:
    searcher = Searcher(
        encoder=RaisingEncoder(OverloadedError("Try again.")), source=source, cached_results=8
    )
    searched, *others = embedding_questions(searcher)
    for ask in others:
        with pytest.raises(OverloadedError):
            await ask()
        assert source.leases == 0
    await searched()  # From words alone: see below.
    assert source.leases == 0


class StuckEncoder:
    async def encode_query(self, text: str) -> Embedding:
        await asyncio.sleep(60)
        raise AssertionError(text)


@pytest.mark.parametrize("encoder", [StuckEncoder(), RaisingEncoder(OverloadedError("Try again."))])
async def test_a_hybrid_search_that_cannot_be_embedded_in_time_answers_from_words(
    source: HeldIndex, encoder: QueryEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "ENCODING_SHARE", 0.02)
    searcher = Searcher(encoder=encoder, source=source, cached_results=8)
    observer = KeepingObserver()
    searcher.observe(observer)
    request = SearchRequest(text="zebra")
    result = await searcher.search(request)
    assert result.is_degraded
    (found,) = result.videos
    assert (found.record.video_id, found.distance) == ("d", None)
    assert found.moments == (Moment(None, None, "zebra zebra", None),)
    # It is not kept: the next one may be the better for it.
    assert (await searcher.search(request)).is_degraded
    assert observer.degradations == 2
    assert observer.counts == [("hybrid", 1)] * 2


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest(text="bread", mode="semantic"),
        SearchRequest(text="bread", mode="lexical"),
        SearchRequest(text="bread", max_distance=20.0),
        SearchRequest(text="?!"),
    ],
)
async def test_what_words_alone_cannot_answer_is_refused(source: HeldIndex, request_: SearchRequest) -> None:
    encoder = RaisingEncoder(OverloadedError("Try again."))
    with pytest.raises(OverloadedError):
        await Searcher(encoder=encoder, source=source, cached_results=8).search(request_)


async def test_a_search_that_takes_too_long_is_given_up(
    source: HeldIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOCAL_SECONDS", 0.02)
    searcher = Searcher(encoder=StuckEncoder(), source=source, cached_results=8)
    with pytest.raises(OverloadedError, match="No answer within"):
        await searcher.classic("bread")
    assert source.leases == 0


# Being watched.


@pytest.fixture
def observer(searcher: Searcher) -> KeepingObserver:
    observer = KeepingObserver()
    searcher.observe(observer)
    return observer


RANKED = ["lexical", "vector", "lexical", "lexical", "vector", "fuse"]
MOMENTS = ["vector", "fuse"]


@pytest.mark.parametrize(
    ("asked", "stages"),
    [
        ({"limit": 5}, ["encode", *RANKED, *MOMENTS]),
        ({"limit": 5, "mode": "semantic"}, ["encode", "vector", *MOMENTS]),
        ({"limit": 1, "mode": "lexical"}, ["encode", "lexical", "vector", "fuse", "lexical", "fuse"]),
        ({"limit": 5, "moments": 0}, ["encode", *RANKED]),
        ({"limit": 50, "moments": 1}, ["encode", *RANKED, *RANKED, *MOMENTS]),
    ],
)
async def test_an_observer_is_told_of_every_stage(
    searcher: Searcher, observer: KeepingObserver, asked: dict[str, Any], stages: list[str]
) -> None:
    await searcher.search(SearchRequest(text="zebra", **asked))
    assert observer.ended == stages


async def test_an_observer_is_told_of_the_other_searches(
    searcher: Searcher, observer: KeepingObserver
) -> None:
    await searcher.classic("at the origin")
    assert observer.ended == ["encode", "vector"]
    await searcher.search_inside("a", "at the origin", limit=1)
    assert observer.ended[2:] == ["encode", "vector", *MOMENTS]
    await searcher.similar("a", limit=1)
    assert observer.ended[6:] == ["vector"]


async def test_an_observer_is_told_what_was_found_and_whether_it_was_kept(
    searcher: Searcher, observer: KeepingObserver
) -> None:
    for _ in range(2):
        await searcher.search(SearchRequest(text="zebra", mode="lexical"))
        await searcher.classic("at the origin")
    await searcher.search(SearchRequest(text="unheard-of", mode="lexical"))
    assert observer.hits == [False, False, True, True, False]
    assert observer.counts == [("lexical", 1), ("classic", 5)] * 2 + [("lexical", 0)]


async def test_a_later_page_is_no_search_of_its_own(searcher: Searcher, observer: KeepingObserver) -> None:
    await searcher.search(SearchRequest(text="at the origin", offset=100))
    assert observer.counts == []


async def test_an_observer_is_told_of_a_stage_that_failed(source: HeldIndex) -> None:
    searcher = Searcher(encoder=RaisingEncoder(OverloadedError("full")), source=source, cached_results=8)
    observer = KeepingObserver()
    searcher.observe(observer)
    with pytest.raises(OverloadedError):
        await searcher.classic("at the origin")
    assert (observer.ended, observer.failed, observer.counts) == ([], ["encode"], [])


async def test_a_probe_is_not_told_of(searcher: Searcher, observer: KeepingObserver) -> None:
    await searcher.check()
    assert (observer.ended, observer.hits) == ([], [])


async def test_labels_are_no_search_to_be_told_of(searcher: Searcher, observer: KeepingObserver) -> None:
    await searcher.labels()
    await searcher.labels()
    assert (observer.ended, observer.hits) == ([], [])


async def test_a_searcher_without_a_log_knows_of_no_run(searcher: Searcher) -> None:
    assert await searcher.recent_runs() == ()
