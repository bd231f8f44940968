from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index.hits import Moment
from retrieval.index.reading import NO_FILTER, SearchFilter, VideoIndex
from retrieval.search.ranking import RANKED_VIDEOS, Mode, Query, RankedVideo, best_moments, rank_videos
from tests.support.embedded_videos import (
    NO_WORDS,
    asking,
    embedded,
    nearest_passage_distance,
    passage,
    vector,
)
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.anyio

MODES: tuple[Mode, ...] = get_args(Mode)
ORIGIN = vector(0, 0)


@pytest.fixture(scope="module")
async def engine(index_folders: Callable[[], Path]) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(index_folders())
    yield engine
    await engine.close()


async def ranked(
    index: VideoIndex,
    text: str,
    mode: Mode,
    *,
    where: SearchFilter = NO_FILTER,
    max_distance: float | None = None,
    until: int = 10,
) -> list[RankedVideo]:
    query = Query(ORIGIN, asking(text))
    return await rank_videos(index, query, mode=mode, where=where, max_distance=max_distance, until=until)


def ids(hits: list[RankedVideo]) -> list[str]:
    return [hit.video_id for hit in hits]


@pytest.fixture(scope="module")
async def small(engine: EmbeddedEngine) -> VideoIndex:
    return await engine.build(
        [
            embedded("near", (1, 0, 0, 0), text="silence", channel="a"),
            embedded("nearer with words", (0.5, 0, 0, 0), text="zebra once among others", channel="a"),
            embedded("far with words", (9, 0, 0, 0), text="zebra zebra zebra", channel="b"),
            embedded("with words", (1.25, 0, 0, 0), text="zebra", channel="b"),
            embedded("far", (8, 0, 0, 0), text="silence", channel="b"),
        ]
    )


async def test_semantic_mode_ranks_by_distance(small: VideoIndex) -> None:
    assert await ranked(small, "zebra", "semantic") == [
        RankedVideo("nearer with words", 0.5),
        RankedVideo("near", 1.0),
        RankedVideo("with words", 1.25),
        RankedVideo("far", 8.0),
        RankedVideo("far with words", 9.0),
    ]


async def test_lexical_mode_ranks_by_words_and_measures_distances_to_an_embedding(small: VideoIndex) -> None:
    assert await ranked(small, "zebra", "lexical") == [
        RankedVideo("far with words", 9.0),
        RankedVideo("with words", 1.25),
        RankedVideo("nearer with words", 0.5),
    ]


async def test_hybrid_mode_ranks_by_distance_and_words(small: VideoIndex) -> None:
    found = await ranked(small, "zebra", "hybrid")
    order = ids(found)
    assert order[0] == "nearer with words"
    # Matching words outweigh a small difference in distance, but not a large one.
    assert order.index("with words") < order.index("near") < order.index("far with words")
    assert set(order) == {"near", "nearer with words", "far with words", "with words", "far"}
    assert {hit.video_id: hit.distance for hit in found}["far with words"] == 9.0


async def test_without_a_matching_word_hybrid_equals_semantic_and_lexical_finds_nothing(
    small: VideoIndex,
) -> None:
    for text in ("", "the", "unheard"):
        assert await ranked(small, text, "hybrid") == await ranked(small, text, "semantic")
        assert await ranked(small, text, "lexical") == []


@pytest.mark.parametrize("mode", MODES)
async def test_filters_and_max_distance_apply_in_every_mode(small: VideoIndex, mode: Mode) -> None:
    only_b = await ranked(small, "zebra", mode, where=SearchFilter(channel="b"))
    assert {"far with words", "with words"} <= set(ids(only_b)) <= {"far with words", "with words", "far"}
    # The threshold is strict: a hit at exactly max_distance is left out.
    assert set(ids(await ranked(small, "zebra", mode, max_distance=1.25))) <= {"near", "nearer with words"}
    near = await ranked(small, "zebra", mode, max_distance=1.5)
    assert (
        {"nearer with words", "with words"} <= set(ids(near)) <= {"near", "nearer with words", "with words"}
    )
    assert await ranked(small, "zebra", mode, where=SearchFilter(channel="absent")) == []
    assert await ranked(small, "zebra", mode, max_distance=0.0) == []


@pytest.mark.parametrize("mode", MODES)
async def test_ties_are_broken_by_video_id(engine: EmbeddedEngine, mode: Mode) -> None:
    names = [f"{letter}{n}" for letter in "zaMq" for n in range(5)]
    index = await engine.build([embedded(name, (1, 0, 0, 0), text="zebra") for name in names])
    assert ids(await ranked(index, "zebra", mode, until=20)) == sorted(names)


async def test_a_near_video_gets_its_relevance_even_if_many_videos_match_better(
    engine: EmbeddedEngine,
) -> None:
    crowd = [embedded(f"crowd {n}", (50, 0, 0, 0), text="zebra zebra") for n in range(60)]
    near = [
        embedded("with words", (1.25, 0, 0, 0), text="zebra and much else besides it"),
        embedded("without", (1.125, 0, 0, 0), text="silence"),
    ]
    # A word that occurs in nearly all videos has almost no weight, so most of the catalogue lacks it.
    silent = [embedded(f"silent {n}", (60, 0, 0, 0), text="silence") for n in range(200)]
    index = await engine.build([*crowd, *near, *silent])
    assert ids(await ranked(index, "zebra", "hybrid"))[:2] == ["with words", "without"]


WORDS = ("zebra", "lion", "gnu", "silence")


def large_catalogue() -> list[tuple[tuple[float, ...], str]]:
    random = np.random.default_rng(3)
    return [
        (
            tuple(random.integers(-12, 13, 4) / 4),
            " ".join(random.choice(WORDS, int(random.integers(1, 5)), p=(0.2, 0.2, 0.2, 0.4))),
        )
        for _ in range(260)
    ]


LARGE = [embedded(f"v{n:03}", pair, text=text) for n, (pair, text) in enumerate(large_catalogue())]


@pytest.fixture(scope="module")
async def large(engine: EmbeddedEngine) -> VideoIndex:
    return await engine.build(LARGE)


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    text=st.lists(st.sampled_from(WORDS), max_size=2).map(" ".join),
    max_distance=st.none() | st.integers(0, 40).map(lambda n: n / 4),
    limit=st.integers(1, 50),
)
async def test_pages_of_any_size_add_up_to_the_whole_ranking(
    large: VideoIndex, mode: Mode, text: str, max_distance: float | None, limit: int
) -> None:
    whole = await ranked(large, text, mode, max_distance=max_distance, until=RANKED_VIDEOS)
    pages: list[str] = []
    for offset in range(0, RANKED_VIDEOS - limit + 1, limit):
        some = await ranked(large, text, mode, max_distance=max_distance, until=offset + limit)
        pages += ids(some[offset : offset + limit])
    assert pages == ids(whole)[: RANKED_VIDEOS // limit * limit]
    assert len(set(ids(whole))) == len(whole)
    # No video is missing within the maximum depth.
    within = {
        video.record.video_id
        for video in LARGE
        if max_distance is None or nearest_passage_distance(video, ORIGIN) < max_distance
    }
    if mode == "lexical":
        matching = set(await large.matching_videos(asking(text), limit=len(LARGE)))
        if len(matching) <= RANKED_VIDEOS:
            assert set(ids(whole)) == within & matching
    elif len(within) <= RANKED_VIDEOS:
        assert set(ids(whole)) == within
    else:
        assert len(whole) >= RANKED_VIDEOS


async def test_the_first_page_contains_the_best_videos(large: VideoIndex) -> None:
    distances = {video.record.video_id: nearest_passage_distance(video, ORIGIN) for video in LARGE}
    found = await ranked(large, "lion", "semantic", until=RANKED_VIDEOS)
    assert [hit.distance for hit in found] == sorted(distances.values())[: len(found)]
    relevance = await large.matching_videos(asking("lion"), limit=len(LARGE))
    found = await ranked(large, "lion", "lexical", until=32)
    assert [relevance[name] for name in ids(found)] == sorted(relevance.values(), reverse=True)[: len(found)]
    assert all(hit.distance == distances[hit.video_id] for hit in found)


@pytest.fixture(scope="module")
async def spoken(engine: EmbeddedEngine) -> VideoIndex:
    parts = [
        passage((4, 0, 0, 0), "zebra zebra", start=40.0, end=50.0),
        passage((1, 0, 0, 0), "silence", start=10.0, end=20.0),
        passage((1.25, 0, 0, 0), "zebra in the grass today", start=20.0, end=30.0),
        passage((9, 0, 0, 0), "silence again", start=90.0, end=99.0),
    ]
    return await engine.build(
        [
            embedded("a", (0, 0, 0, 0), passages=parts),
            embedded("b", (0, 0, 0, 0), passages=[passage((2, 0, 0, 0), "untimed")]),
            embedded("silent", (0, 0, 0, 0), passages=[passage((0, 0, 0, 0), None)]),
        ]
    )


async def starts(index: VideoIndex, mode: Mode, *, limit: int = 10) -> list[float | None]:
    moments = await best_moments(index, Query(ORIGIN, asking("zebra")), ["a"], mode, limit=limit)
    return [moment.start for moment in moments["a"]]


async def test_moments_are_sorted_by_the_mode(spoken: VideoIndex) -> None:
    assert await starts(spoken, "semantic") == [10.0, 20.0, 40.0, 90.0]
    # In lexical mode, a passage without a matching word is no moment.
    assert await starts(spoken, "lexical") == [40.0, 20.0]
    assert (await starts(spoken, "hybrid"))[0] == 20.0
    assert (await starts(spoken, "hybrid"))[-1] == 90.0
    for mode in MODES:
        assert await starts(spoken, mode, limit=2) == (await starts(spoken, mode))[:2]


@pytest.fixture(scope="module")
async def long(engine: EmbeddedEngine) -> VideoIndex:
    """One video of forty passages. Only the farthest passage contains the word."""
    parts = [passage((n / 4, 0, 0, 0), f"about gardens {n}", start=float(n)) for n in range(39)]
    parts.append(passage((90, 90, 90, 90), "the zebra", start=39.0))
    return await engine.build([embedded("a", (0, 0, 0, 0), text="zebra gardens", passages=parts)])


async def test_a_lexical_moment_may_be_far_away(long: VideoIndex) -> None:
    query = Query(ORIGIN, asking("zebra"))
    assert await best_moments(long, query, ["a"], "lexical", limit=3) == {
        "a": (Moment(39.0, None, "the zebra", 360.0),)
    }
    assert await best_moments(long, query, ["a"], "lexical", limit=3, max_distance=360.0) == {"a": ()}


@pytest.mark.parametrize("mode", MODES)
async def test_a_query_without_an_embedding_is_ranked_by_words_without_distances(
    long: VideoIndex, mode: Mode
) -> None:
    query = Query(None, asking("zebra"))
    ranked = await rank_videos(long, query, mode=mode, where=NO_FILTER, max_distance=None, until=10)
    assert ranked == [RankedVideo("a", None)]
    assert await best_moments(long, query, ["a"], mode, limit=3) == {
        "a": (Moment(39.0, None, "the zebra", None),)
    }


async def test_every_requested_video_has_its_own_moments(spoken: VideoIndex) -> None:
    moments = await best_moments(
        spoken, Query(ORIGIN, NO_WORDS), ["silent", "b", "a", "absent"], "hybrid", limit=1
    )
    assert list(moments) == ["silent", "b", "a", "absent"]
    assert moments["silent"] == moments["absent"] == ()
    assert [(moment.text, moment.start, moment.distance) for moment in moments["b"]] == [
        ("untimed", None, 2.0)
    ]
    assert [(moment.text, moment.distance) for moment in moments["a"]] == [("silence", 1.0)]


async def test_a_limit_of_zero_needs_no_index(spoken: VideoIndex) -> None:
    query = Query(ORIGIN, asking("zebra"))
    no_index: Any = None
    assert await best_moments(no_index, query, ["a", "b"], "hybrid", limit=0) == {"a": (), "b": ()}
    assert await best_moments(spoken, query, [], "hybrid", limit=3) == {}
