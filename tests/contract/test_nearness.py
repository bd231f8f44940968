"""Every engine finds the nearest videos, with the distances that numpy computes."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.catalogue.video import VideoRecord
from retrieval.index.hits import VideoHit
from retrieval.index.reading import SearchFilter, VideoIndex
from retrieval.index.writing import EmbeddedVideo
from tests.support.embedded_videos import (
    NO_WORDS,
    embedded,
    manhattan,
    nearest_passage_distance,
    passage,
    twice,
    unit_vectors,
    vector,
)
from tests.support.engines import Engine
from tests.support.index_contract import LAST_YEAR, ORIGIN, ids, on_less_than_all

pytestmark = pytest.mark.anyio


async def test_nearest_videos_are_in_ascending_order_of_the_sum_over_both_halves(engine: Engine) -> None:
    index = await engine.build(
        [
            embedded("far", (5, 5, 5, 5)),
            embedded("title", (0, 0, 3, 0)),
            embedded("text", (2.5, 0, 0, 0)),
            embedded("both", (-1, 0, 0, -1)),
        ]
    )
    assert await index.nearest_videos(twice(ORIGIN), limit=3) == [
        VideoHit("both", 2.0),
        VideoHit("text", 2.5),
        VideoHit("title", 3.0),
    ]


async def test_a_threshold_is_strict_and_lower_is_better(engine: Engine) -> None:
    index = await engine.build([embedded(f"v{n}", (n / 4, 0, 0, 0)) for n in range(8)])
    for limit in (0.0, 0.25, 1.0, 1.125, 100.0):
        expected = [f"v{n}" for n in range(8) if n / 4 < limit]
        assert ids(await index.nearest_videos(twice(ORIGIN), limit=9, max_distance=limit)) == expected
        assert ids(await index.nearest_by_passage(ORIGIN, limit=9, max_distance=limit)) == expected


async def test_ties_are_broken_by_video_id(engine: Engine) -> None:
    names = [*"qzjxkvbpygfwmucl", "10", "9", "Z", "é"]
    index = await engine.build([embedded(name, (1, 0, 0, 0)) for name in names])
    assert ids(await index.nearest_videos(twice(ORIGIN), limit=50)) == sorted(names)
    assert ids(await index.nearest_by_passage(ORIGIN, limit=50)) == sorted(names)


async def test_a_video_is_as_near_as_its_nearest_passage(engine: Engine) -> None:
    index = await engine.build(
        [
            embedded("a", (0, 0, 0, 0), passages=[passage((9, 0, 0, 0)), passage((2, 0, 0, 0))]),
            embedded("b", (9, 9, 9, 9), passages=[passage((1, 0, 0, 0)), passage((8, 0, 0, 0))]),
        ]
    )
    assert await index.nearest_by_passage(ORIGIN, limit=5) == [VideoHit("b", 1.0), VideoHit("a", 2.0)]
    assert await index.distances_of(ORIGIN, ["a", "absent", "b"]) == {"a": 2.0, "b": 1.0}
    assert await index.distances_of(ORIGIN, []) == {}


async def test_one_video_with_hundreds_of_the_nearest_passages_hides_no_other(engine: Engine) -> None:
    crowd = embedded(
        "crowd", (0, 0, 0, 0), channel="a", passages=[passage((n / 4096, 0, 0, 0)) for n in range(700)]
    )
    others = [embedded(f"v{n}", (n + 1, 0, 0, 0), channel="ab"[n % 2]) for n in range(9)]
    index = await engine.build([crowd, *others])
    everyone = ["crowd", *(f"v{n}" for n in range(9))]
    assert ids(await index.nearest_by_passage(ORIGIN, limit=10)) == everyone
    assert ids(await index.nearest_by_passage(ORIGIN, limit=50)) == everyone
    assert ids(await index.nearest_by_passage(ORIGIN, limit=4)) == everyone[:4]
    assert ids(await index.nearest_by_passage(ORIGIN, limit=10, max_distance=3.0)) == everyone[:3]
    only = SearchFilter(channel="a")
    assert ids(await index.nearest_by_passage(ORIGIN, limit=6, where=only)) == [
        "crowd",
        *(f"v{n}" for n in range(0, 9, 2)),
    ]


async def test_distances_equal_those_of_numpy(engine: Engine) -> None:
    dimension, count = 384, 60
    titles, texts = (unit_vectors(count, dimension, seed=seed) for seed in (1, 2))
    others = unit_vectors(count, dimension, seed=3)
    videos = [
        embedded(
            f"v{n}",
            np.concatenate([titles[n], texts[n]]),
            passages=[passage(np.concatenate([titles[n], part[n]])) for part in (texts, others)],
        )
        for n in range(count)
    ]
    index = await engine.build(videos, dimension=dimension)
    (query,) = unit_vectors(1, dimension, seed=4)
    whole = {video.record.video_id: manhattan(video.vector, twice(query)) for video in videos}
    nearest = {video.record.video_id: nearest_passage_distance(video, query) for video in videos}
    by_video = await index.nearest_videos(twice(query), limit=count)
    by_passage = await index.nearest_by_passage(query, limit=count)
    assert ids(by_video) == sorted(whole, key=whole.__getitem__)
    assert ids(by_passage) == sorted(nearest, key=nearest.__getitem__)
    assert {hit.video_id: hit.distance for hit in by_video} == pytest.approx(whole, abs=1e-4)
    assert {hit.video_id: hit.distance for hit in by_passage} == pytest.approx(nearest, abs=1e-4)
    assert await index.distances_of(query, list(nearest)) == pytest.approx(nearest, abs=1e-4)
    passages = await index.passages_of(query, NO_WORDS, list(nearest), among=2)
    for video in videos:
        expected = sorted(manhattan(part.vector, twice(query)) for part in video.passages)
        found = [hit.distance for hit in passages[video.record.video_id]]
        assert found == pytest.approx(expected, abs=1e-4)


@on_less_than_all
async def test_most_of_the_nearest_are_found_among_ten_thousand(engine: Engine) -> None:
    # Random directions are the hardest case for a graph: all distances are about equal. At this size the
    # embedded engine searches its graph; it would scan a smaller or narrower index.
    dimension, videos, passages, wanted = 136, 500, 20, 10
    titles = unit_vectors(videos, dimension, seed=5)
    pairs = np.concatenate(
        [np.repeat(titles, passages, axis=0), unit_vectors(videos * passages, dimension, seed=6)], axis=1
    ).reshape(videos, passages, 2 * dimension)
    index = await engine.build(
        [
            embedded(f"v{n}", pairs[n, 0], passages=[passage(pair, "") for pair in pairs[n]])
            for n in range(videos)
        ],
        dimension=dimension,
    )
    found = 0
    queries = unit_vectors(30, dimension, seed=7)
    for query in queries:
        distances = np.abs(pairs - twice(query)).sum(2)
        nearest = {f"v{n}" for n in np.argsort(distances.min(1))[:wanted]}
        hits = await index.nearest_by_passage(query, limit=wanted)
        assert len(hits) == wanted
        for hit in hits:
            # The nearest passage may have been missed, but the distance is that of some passage of the video.
            assert np.abs(distances[int(hit.video_id[1:])] - hit.distance).min() < 1e-4
        found += len(nearest & set(ids(hits)))
    assert found / (wanted * len(queries)) > 0.8
    assert len(await index.nearest_by_passage(queries[0], limit=videos)) > 0.98 * videos


CHANNELS, LANGUAGES = (None, "a", "b"), (None, "en")


def mixed_catalogue() -> list[EmbeddedVideo]:
    """Videos on a coarse lattice: every distance is exact, and there are many ties."""
    random = np.random.default_rng(11)

    def pair() -> list[float]:
        return list(random.integers(-4, 5, 4) / 4)

    return [
        embedded(
            f"v{n:03}",
            pair(),
            passages=[passage(pair()) for _ in range(random.integers(1, 6))],
            channel=CHANNELS[random.integers(3)],
            language=LANGUAGES[random.integers(2)],
            published_at=LAST_YEAR + timedelta(days=int(random.integers(4))) if random.integers(2) else None,
        )
        for n in range(150)
    ]


MIXED = mixed_catalogue()


@pytest.fixture(scope="module")
async def mixed(lasting_engine: Engine) -> VideoIndex:
    return await lasting_engine.build(MIXED)


coordinates = st.integers(-5, 5).map(lambda n: n / 4)
thresholds = st.none() | st.integers(0, 24).map(lambda n: n / 4)
days = st.none() | st.integers(-1, 5).map(lambda n: LAST_YEAR + timedelta(days=n))
filters = st.builds(
    SearchFilter,
    channel=st.sampled_from([*CHANNELS, "absent"]),
    language=st.sampled_from(LANGUAGES),
    published_after=days,
    published_before=days,
)


def passes(record: VideoRecord, where: SearchFilter) -> bool:
    published = record.published_at
    return (
        where.channel in (None, record.channel)
        and where.language in (None, record.language)
        and (where.published_after is None or (published is not None and published >= where.published_after))
        and (where.published_before is None or (published is not None and published < where.published_before))
    )


def check_nearest(
    hits: list[VideoHit], distances: dict[str, float], limit: int, max_distance: float | None
) -> None:
    """Assert that the hits are the nearest; the engine chooses among the equally distant ones at the cut."""
    near = {name: d for name, d in distances.items() if max_distance is None or d < max_distance}
    assert [hit.distance for hit in hits] == sorted(near.values())[:limit]
    assert all(near[hit.video_id] == hit.distance for hit in hits)
    assert hits == sorted(hits, key=lambda hit: (hit.distance, hit.video_id))
    assert len(set(ids(hits))) == len(hits)


@on_less_than_all
@settings(max_examples=60, deadline=None)
@given(
    query=st.tuples(coordinates, coordinates),
    limit=st.integers(1, 160),
    max_distance=thresholds,
    where=filters,
)
async def test_the_nearest_videos_are_those_that_numpy_finds(
    mixed: VideoIndex,
    query: tuple[float, float],
    limit: int,
    max_distance: float | None,
    where: SearchFilter,
) -> None:
    asked = vector(*query)
    hits = await mixed.nearest_videos(twice(asked), limit=limit, max_distance=max_distance)
    whole = {video.record.video_id: manhattan(video.vector, twice(asked)) for video in MIXED}
    check_nearest(hits, whole, limit, max_distance)
    hits = await mixed.nearest_by_passage(asked, limit=limit, where=where, max_distance=max_distance)
    allowed = [video for video in MIXED if passes(video.record, where)]
    nearest = {video.record.video_id: nearest_passage_distance(video, asked) for video in allowed}
    check_nearest(hits, nearest, limit, max_distance)
    assert await mixed.distances_of(asked, ["absent", *nearest]) == nearest
