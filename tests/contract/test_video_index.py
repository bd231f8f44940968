"""What every engine must do, through the protocols of retrieval.index.reading alone."""

import asyncio
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.catalogue.video import VideoRecord
from retrieval.errors import CursorError, IndexUnavailableError
from retrieval.index.file_parts import FilePart
from retrieval.index.reading import NO_FILTER, SearchFilter, VideoIndex
from retrieval.index.results import Label, LabelField, Moment, PassageHit, VideoHit
from retrieval.index.writing import EmbeddedVideo, IndexWriter, StoredVideo
from tests.support.embedded_videos import (
    NO_WORDS,
    asking,
    assert_same_videos,
    embedded,
    manhattan,
    nearest_passage_distance,
    passage,
    twice,
    unit_vectors,
    vector,
)
from tests.support.engines import (
    Engine,
    NewEngine,
    RealServer,
    client_emulation,
    embedded_engine,
    emulation_over_grpc,
    real_server,
)

pytestmark = pytest.mark.anyio

ENGINES: dict[str, NewEngine | None] = {
    "embedded": embedded_engine,
    "client-emulation": client_emulation,
    "client-emulation-over-grpc": emulation_over_grpc,
    "server-grpc": None,
    "server-rest": None,
}

# Where the wire adds nothing to what is checked, and seconds to the check.
on_less_than_all = pytest.mark.parametrize(
    "new_engine", [name for name in ENGINES if "-over-" not in name], indirect=True
)

ORIGIN = vector(0, 0)
LAST_YEAR, THIS_YEAR = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
MANY = 1000


@pytest.fixture(scope="module", params=ENGINES)
def new_engine(request: pytest.FixtureRequest) -> NewEngine:
    prepared = ENGINES[request.param]
    if prepared:
        return prepared
    server: RealServer = request.getfixturevalue("qdrant_server")
    return real_server(server, use_grpc=request.param == "server-grpc")


@pytest.fixture
async def engine(new_engine: NewEngine, index_folder: Path) -> AsyncIterator[Engine]:
    async with new_engine(index_folder) as engine:
        yield engine


@pytest.fixture(scope="module")
async def lasting_engine(new_engine: NewEngine, index_folders: Callable[[], Path]) -> AsyncIterator[Engine]:
    async with new_engine(index_folders()) as engine:
        yield engine


def ids(hits: list[VideoHit]) -> list[str]:
    return [hit.video_id for hit in hits]


async def catalogue(index: VideoIndex) -> dict[str, VideoRecord]:
    page, cursor = await index.page(limit=MANY)
    assert cursor is None
    return {record.video_id: record for record in page}


async def texts_of(index: VideoIndex, video_id: str) -> list[str | None]:
    """Every passage's text, nearest to the origin first."""
    found = await index.passages_of(ORIGIN, NO_WORDS, [video_id], among=MANY)
    hits = found.get(video_id, [])
    told = await index.moments(hits)
    return [told[hit.passage_id].text for hit in hits]


# What it is.


async def test_an_open_index_is_a_video_index_with_a_manifest(engine: Engine) -> None:
    index = await engine.build([embedded("a", (0, 0, 0, 0))])
    assert isinstance(index, VideoIndex)
    assert index.manifest.model.dimension == 2


async def test_an_empty_index_answers_every_question(engine: Engine) -> None:
    index = await engine.build([])
    assert await index.nearest_videos(twice(ORIGIN), limit=5) == []
    assert await index.nearest_by_passage(ORIGIN, limit=5) == []
    assert await index.distances_of(ORIGIN, ["a"]) == {}
    assert await index.passages_of(ORIGIN, asking("word"), ["a"], among=5) == {}
    assert await index.moments([]) == {}
    assert await index.matching_videos(asking("word"), limit=5) == {}
    assert await index.relevance_of(asking("word"), ["a"]) == {}
    assert await index.passage_relevance_of(asking("word"), ["a"]) == {}
    assert await index.matching_passages(asking("word"), ["a"], limit=5, query=ORIGIN) == {}
    assert await index.videos(["a"]) == {}
    assert await index.pair_vector("a") is None
    assert await index.page(limit=5) == ([], None)
    assert await index.labels("channel", limit=5) == []
    assert await index.labels("language", limit=5) == []


# Writing.


async def test_a_record_comes_back_as_it_was_given(engine: Engine) -> None:
    full = embedded(
        "full",
        (0, 0, 0, 0),
        title="Café & 猫 👩‍🚀",
        title_as_given="Café &amp;  猫 👩‍🚀",
        published_at=datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC),
        url="https://example.org/?a=1&b=%20",
        channel="null",
        language="true",
        duration=3.0,
        thumbnail_url="https://example.org/x.jpg",
        tags=("b", "a", "null", "1", ""),
    )
    elsewhere = embedded(
        "elsewhere", (1, 0, 0, 0), published_at=datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    )
    bare = embedded("bare", (2, 0, 0, 0), passages=[passage((0, 0, 0, 0), None)])
    index = await engine.build([full, elsewhere, bare])
    found = await index.videos(["full", "elsewhere", "bare", "absent"])
    assert found == {video.record.video_id: video.record for video in (full, elsewhere, bare)}
    assert found["full"].has_transcript is True
    assert found["bare"].has_transcript is False


async def test_writing_a_video_again_leaves_one_of_it(engine: Engine) -> None:
    await engine.build([embedded("a", (0, 0, 0, 0), text="old")])

    async def again(writer: IndexWriter) -> None:
        await writer.write([embedded("a", (4, 0, 0, 0), text="newer")])
        await writer.write([embedded("a", (1, 0, 0, 0), text="newest", channel="c")])

    index = await engine.change(again)
    assert await index.nearest_videos(twice(ORIGIN), limit=5) == [VideoHit("a", 1.0)]
    assert await texts_of(index, "a") == ["newest"]
    assert await index.matching_videos(asking("old newer"), limit=5) == {}
    assert list(await index.matching_videos(asking("newest"), limit=5)) == ["a"]
    assert (await catalogue(index))["a"].channel == "c"


async def test_no_passage_of_a_longer_version_stays(engine: Engine) -> None:
    long = embedded("a", (9, 0, 0, 0), passages=[passage((n, 0, 0, 0), f"old {n}") for n in range(8)])
    other = embedded("b", (9, 0, 0, 0), passages=[passage((n, 0, 0, 0), f"kept {n}") for n in range(3)])
    await engine.build([long, other])
    short = embedded("a", (9, 0, 0, 0), passages=[passage((6, 0, 0, 0), "new")])
    index = await engine.change(lambda writer: writer.write([short]))
    assert await texts_of(index, "a") == ["new"]
    assert await texts_of(index, "b") == ["kept 0", "kept 1", "kept 2"]
    assert await index.nearest_by_passage(ORIGIN, limit=5) == [VideoHit("b", 0.0), VideoHit("a", 6.0)]
    assert (await index.videos(["a"]))["a"].passages == 1


async def test_a_deleted_video_is_gone_with_its_passages(engine: Engine) -> None:
    videos = [
        embedded(name, (0, 0, 0, n), text=f"shared {name}", passages=[passage((0, 0, 0, n), name)] * 3)
        for n, name in enumerate("abc")
    ]
    await engine.build(videos)

    async def remove(writer: IndexWriter) -> None:
        await writer.delete(["a", "never there"])
        assert set(await writer.stored_videos()) == {"b", "c"}

    index = await engine.change(remove)
    assert set(await catalogue(index)) == {"b", "c"}
    assert ids(await index.nearest_videos(twice(ORIGIN), limit=5)) == ["b", "c"]
    assert ids(await index.nearest_by_passage(ORIGIN, limit=5)) == ["b", "c"]
    assert await index.distances_of(ORIGIN, ["a", "b"]) == {"b": 1.0}
    assert set(await index.matching_videos(asking("shared"), limit=5)) == {"b", "c"}
    assert await index.pair_vector("a") is None
    assert await index.videos(["a"]) == {}


async def test_writing_nothing_changes_nothing(engine: Engine) -> None:
    videos = [embedded(name, (0, 0, 0, n)) for n, name in enumerate("abc")]
    before = await catalogue(await engine.build(videos))

    async def nothing(writer: IndexWriter) -> None:
        await writer.write([])
        await writer.write_records([])
        await writer.delete([])

    index = await engine.change(nothing)
    assert await catalogue(index) == before
    assert ids(await index.nearest_by_passage(ORIGIN, limit=5)) == ["a", "b", "c"]


async def test_new_records_keep_embeddings_passages_and_their_number(engine: Engine) -> None:
    parts = [passage((n, 0, 0, 0), f"part {n}", start=float(n), end=n + 1.0) for n in range(3)]
    old = embedded(
        "a", (7, 0, 0, 0), text="word", passages=parts, channel="old", language="en", published_at=LAST_YEAR
    )
    other = embedded("b", (8, 0, 0, 0), channel="old", language="en", published_at=LAST_YEAR)
    await engine.build([old, other])
    # Whoever writes only a record has cut nothing and does not know how many passages there are.
    shown = VideoRecord(video_id="a", title="New", title_as_given="New", channel="new", has_transcript=True)
    index = await engine.change(
        lambda writer: writer.write_records([(shown, StoredVideo("content", "record 2"))])
    )
    records = await index.videos(["a", "b"])
    assert records["a"] == VideoRecord(
        video_id="a", title="New", title_as_given="New", channel="new", passages=3, has_transcript=True
    )
    assert records["b"] == other.record
    assert np.array_equal(await index.pair_vector("a"), old.vector)
    assert await texts_of(index, "a") == ["part 0", "part 1", "part 2"]
    assert list(await index.matching_videos(asking("word"), limit=5)) == ["a"]
    for where, expected in (
        (SearchFilter(channel="new"), ["a"]),
        (SearchFilter(channel="old"), ["b"]),
        (SearchFilter(language="en"), ["b"]),
        (SearchFilter(published_after=LAST_YEAR), ["b"]),
    ):
        assert ids(await index.nearest_by_passage(ORIGIN, limit=5, where=where)) == expected
        assert set(await index.matching_videos(asking("word nothing"), limit=5, where=where)) <= set(expected)


async def test_the_writer_says_what_the_version_holds(engine: Engine) -> None:
    count = 2500  # More than any page of the engine's own.
    await engine.build([embedded(f"v{n}", (n, 0, 0, 0), content_hash=f"c{n}") for n in range(count)])
    seen: dict[str, StoredVideo] = {}

    async def look(writer: IndexWriter) -> None:
        shown = VideoRecord(video_id="v1", title="t", title_as_given="t")
        await writer.write_records([(shown, StoredVideo("c1", "changed"))])
        await writer.delete(["v0"])
        seen.update(await writer.stored_videos())

    await engine.change(look)
    expected = {f"v{n}": StoredVideo(f"c{n}", "record") for n in range(1, count)}
    assert seen == expected | {"v1": StoredVideo("c1", "changed")}


# Versions.


async def test_a_new_version_beside_leaves_the_open_one_as_it_is(engine: Engine) -> None:
    before = await engine.build([embedded("a", (0, 0, 0, 0))])
    after = await engine.build([embedded("b", (1, 0, 0, 0))])
    assert set(await catalogue(before)) == {"a"}
    assert ids(await before.nearest_by_passage(ORIGIN, limit=5)) == ["a"]
    assert set(await catalogue(after)) == {"b"}


async def test_the_store_says_what_is_live_and_what_was(engine: Engine) -> None:
    assert await engine.store.live() is None
    assert await engine.store.previous() is None
    assert await engine.store.stored_videos() == {}
    first = await engine.build([embedded("a", (0, 0, 0, 0), content_hash="one")])
    assert await engine.store.live() == first.manifest
    assert await engine.store.previous() is None
    second = await engine.build([embedded("b", (0, 0, 0, 0), content_hash="two")])
    assert await engine.store.live() == second.manifest
    assert await engine.store.previous() == first.manifest
    assert await engine.store.stored_videos() == {"b": StoredVideo("two", "record")}


async def test_a_roll_back_goes_to_the_version_before_and_another_one_back(engine: Engine) -> None:
    with pytest.raises(IndexUnavailableError, match="no previous version"):
        await engine.store.roll_back()
    first = await engine.build([embedded("a", (0, 0, 0, 0))])
    with pytest.raises(IndexUnavailableError, match="no previous version"):
        await engine.store.roll_back()
    second = await engine.build([embedded("b", (0, 0, 0, 0))])
    for expected in (first, second, first):
        assert await engine.store.roll_back() == expected.manifest
        assert await engine.store.live() == expected.manifest
        assert await catalogue(await engine.open()) == await catalogue(expected)
    third = await engine.build([embedded("c", (0, 0, 0, 0))])
    assert await engine.store.previous() == first.manifest
    assert set(await catalogue(third)) == {"c"}


async def test_a_version_that_fails_on_its_way_is_never_live(engine: Engine) -> None:
    before = await engine.build([embedded("a", (0, 0, 0, 0))])

    async def fail(writer: IndexWriter) -> None:
        await writer.write([embedded("b", (0, 0, 0, 0))])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.publish(fail, keep_live=False)
    assert await engine.store.live() == before.manifest
    assert set(await catalogue(await engine.open())) == {"a"}
    after = await engine.build([embedded("c", (0, 0, 0, 0))])
    assert await engine.store.previous() == before.manifest
    assert set(await catalogue(after)) == {"c"}


async def test_a_run_that_failed_is_ended_by_the_same_run_again(engine: Engine) -> None:
    """Wherever it stopped, nothing of the old version is lost, and nothing is doubled afterwards."""
    old = [
        embedded(name, (n, 0, 0, 0), passages=[passage((n, i, 0, 0), f"{name}{i}") for i in range(4)])
        for n, name in enumerate("abc")
    ]
    new = embedded("b", (1, 0, 0, 0), passages=[passage((1, 0, 0, 0), "new")], content_hash="new")
    added = embedded("d", (3, 0, 0, 0), text="added")

    async def run(writer: IndexWriter) -> None:
        await writer.delete(["a"])
        await writer.write([new, added])

    async def fail(writer: IndexWriter) -> None:
        await run(writer)
        raise ZeroDivisionError

    await engine.build(old)
    with pytest.raises(ZeroDivisionError):
        await engine.publish(fail, keep_live=True)
    index = await engine.change(run)
    assert set(await catalogue(index)) == {"b", "c", "d"}
    assert await texts_of(index, "b") == ["new"]
    assert await texts_of(index, "c") == ["c0", "c1", "c2", "c3"]
    assert (await engine.store.stored_videos())["b"] == StoredVideo("new", "record")


async def test_every_change_gets_a_version_of_its_own(engine: Engine) -> None:
    versions = [(await engine.build([])).manifest.index_version]
    for name in "abc":
        index = await engine.change(lambda writer, name=name: writer.write([embedded(name, (0, 0, 0, 0))]))
        versions.append(index.manifest.index_version)
    assert len(set(versions)) == 4


# Nearness.


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
    # Random directions are the hardest case for a graph: everything is about equally far. At this size the
    # embedded engine searches its graph; a smaller or narrower index it would scan.
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
            # Its nearest passage may be one that was missed, but it is a real one of this video.
            assert np.abs(distances[int(hit.video_id[1:])] - hit.distance).min() < 1e-4
        found += len(nearest & set(ids(hits)))
    assert found / (wanted * len(queries)) > 0.8
    assert len(await index.nearest_by_passage(queries[0], limit=videos)) > 0.98 * videos


# Filters.


@pytest.fixture(scope="module")
async def dated(lasting_engine: Engine) -> VideoIndex:
    second = timedelta(seconds=1)
    shown: dict[str, dict[str, object]] = {
        "before": {"published_at": LAST_YEAR - second},
        "at": {"published_at": LAST_YEAR, "channel": "A", "language": "en"},
        "at, told elsewhere": {
            "published_at": LAST_YEAR.astimezone(timezone(timedelta(hours=-8))),
            "channel": "a",
        },
        "within": {"published_at": LAST_YEAR + second, "channel": "A", "language": "de"},
        "end": {"published_at": THIS_YEAR, "channel": "A B", "language": "en-GB"},
        "dateless": {"channel": "A"},
    }
    return await lasting_engine.build(
        [
            embedded(name, (n, 0, 0, 0), text=f"word {name}", **fields)
            for n, (name, fields) in enumerate(shown.items())
        ]
    )


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (NO_FILTER, {"before", "at", "at, told elsewhere", "within", "end", "dateless"}),
        (SearchFilter(published_after=LAST_YEAR), {"at", "at, told elsewhere", "within", "end"}),
        (SearchFilter(published_before=LAST_YEAR), {"before"}),
        (SearchFilter(published_before=THIS_YEAR), {"before", "at", "at, told elsewhere", "within"}),
        (
            SearchFilter(published_after=LAST_YEAR, published_before=THIS_YEAR),
            {"at", "at, told elsewhere", "within"},
        ),
        (SearchFilter(published_after=THIS_YEAR, published_before=LAST_YEAR), set()),
        (
            SearchFilter(published_after=datetime(2023, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))),
            {"at", "at, told elsewhere", "within", "end"},
        ),
        (SearchFilter(channel="A"), {"at", "within", "dateless"}),
        (SearchFilter(channel="A B"), {"end"}),
        (SearchFilter(channel="B"), set()),
        (SearchFilter(channel=""), set()),
        (SearchFilter(language="en"), {"at", "end"}),
        (SearchFilter(language="EN"), {"at", "end"}),
        (SearchFilter(language="EN-gb"), {"end"}),
        (SearchFilter(language="en_GB"), {"end"}),
        (SearchFilter(language="en-US"), set()),
        (SearchFilter(language="e"), set()),
        (SearchFilter(language=""), set()),
        (SearchFilter(channel="A", language="de"), {"within"}),
        (SearchFilter(channel="A", published_before=THIS_YEAR), {"at", "within"}),
    ],
)
async def test_a_filter_narrows_both_legs(dated: VideoIndex, where: SearchFilter, expected: set[str]) -> None:
    assert set(ids(await dated.nearest_by_passage(ORIGIN, limit=50, where=where))) == expected
    assert set(await dated.matching_videos(asking("word"), limit=50, where=where)) == expected


# Against an oracle.

CHANNELS, LANGUAGES = (None, "a", "b"), (None, "en")


def mixed_catalogue() -> list[EmbeddedVideo]:
    """Videos on a coarse lattice: every distance is exact, and ties are many."""
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
    """Assert that the hits are the nearest; which of those equally far at the end is the engine's choice."""
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
async def test_the_nearest_are_those_that_numpy_finds(
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


# Passages and moments.


async def test_passages_come_nearest_first_with_their_relevance(engine: Engine) -> None:
    parts = [
        passage((3, 0, 0, 0), "a cat sleeps"),
        passage((1, 0, 0, 0), "a dog barks"),
        passage((2, 0, 0, 0), "cats chase a cat"),
    ]
    other = embedded("b", (0, 0, 0, 0), passages=[passage((5, 0, 0, 0), "a bird sings")])
    index = await engine.build([embedded("a", (0, 0, 0, 0), passages=parts), other])
    found = await index.passages_of(ORIGIN, asking("cat"), ["b", "a", "absent"], among=10)
    assert set(found) == {"a", "b"}
    assert [hit.distance for hit in found["a"]] == [1.0, 2.0, 3.0]
    dog, cats, cat = (hit.relevance for hit in found["a"])
    assert dog == 0
    assert cats > cat > 0
    assert [(hit.distance, hit.relevance) for hit in found["b"]] == [(5.0, 0.0)]
    wordless = await index.passages_of(ORIGIN, NO_WORDS, ["a"], among=2)
    assert [(hit.distance, hit.relevance) for hit in wordless["a"]] == [(1.0, 0.0), (2.0, 0.0)]
    assert await index.passages_of(ORIGIN, asking("cat"), [], among=2) == {}
    best = await index.passage_relevance_of(asking("cat"), ["b", "a", "absent"])
    assert best == pytest.approx({"a": cats})
    assert await index.passage_relevance_of(NO_WORDS, ["a"]) == {}
    assert await index.passage_relevance_of(asking("cat"), []) == {}


async def test_passages_that_share_words_come_most_relevant_first(engine: Engine) -> None:
    parts = [
        passage((3, 0, 0, 0), "a cat sleeps"),
        passage((1, 0, 0, 0), "a dog barks"),
        passage((2, 0, 0, 0), "cats chase a cat"),
    ]
    others = [
        embedded("b", (0, 0, 0, 0), passages=[passage((5, 0, 0, 0), "a bird sings")]),
        embedded("c", (0, 0, 0, 0), passages=[passage((6, 0, 0, 0), "a cat")]),
    ]
    index = await engine.build([embedded("a", (0, 0, 0, 0), passages=parts), *others])
    asked = ["b", "a", "c", "absent"]
    found = await index.matching_passages(asking("cat"), asked, limit=10)
    assert set(found) == {"a", "c"}
    cats, cat = found["a"]
    assert cats.relevance > cat.relevance > 0
    assert (cats.distance, cat.distance) == (None, None)
    assert (await index.moments([cats]))[cats.passage_id] == Moment(None, None, "cats chase a cat", None)
    assert await index.matching_passages(asking("cat"), ["a"], limit=1) == {"a": [cats]}
    measured = await index.matching_passages(asking("cat"), asked, limit=10, query=ORIGIN)
    assert {name: [hit.distance for hit in hits] for name, hits in measured.items()} == {
        "a": [2.0, 3.0],
        "c": [6.0],
    }
    assert [hit.relevance for hit in measured["a"]] == [cats.relevance, cat.relevance]
    assert await index.matching_passages(NO_WORDS, ["a"], limit=2) == {}
    assert await index.matching_passages(asking("unheard"), ["a"], limit=2, query=ORIGIN) == {}
    assert await index.matching_passages(asking("cat"), [], limit=2, query=ORIGIN) == {}


async def test_moments_say_what_and_when_and_leave_out_what_is_gone(engine: Engine) -> None:
    parts = [
        passage((0, 0, 0, 0), "first 猫", start=0.0, end=1.5),
        passage((1, 0, 0, 0), "no times"),
        passage((2, 0, 0, 0), "last", start=3661.25, end=3662.0),
    ]
    silent = embedded("silent", (0, 0, 0, 0), passages=[passage((0, 0, 0, 3), None)])
    index = await engine.build([embedded("a", (0, 0, 0, 0), passages=parts), silent])
    found = await index.passages_of(ORIGIN, NO_WORDS, ["a", "silent"], among=10)
    first, second, third = found["a"]
    (nothing,) = found["silent"]
    gone = PassageHit(UUID(int=1), 1.0, 0.0)
    assert await index.moments([third, gone, second, nothing, first, first]) == {
        first.passage_id: Moment(0.0, 1.5, "first 猫", 0.0),
        second.passage_id: Moment(None, None, "no times", 1.0),
        third.passage_id: Moment(3661.25, 3662.0, "last", 2.0),
        nothing.passage_id: Moment(None, None, None, 3.0),
    }


# Words.


@pytest.fixture
async def library(engine: Engine) -> VideoIndex:
    said = {
        "rare": "zebra among many other words that follow one another without saying anything",
        "common": "talk talk talk talk talk",
        "both": "zebra zebra zebra talk",
        "neither": "silence",
        **{f"more {n}": "talk" for n in range(10)},
    }
    return await engine.build([embedded(name, (0, 0, 0, 0), text=text) for name, text in said.items()])


async def test_matching_videos_share_words_and_rare_words_count_more(library: VideoIndex) -> None:
    found = await library.matching_videos(asking("zebras talking"), limit=50)
    assert "neither" not in found
    assert len(found) == 13
    assert all(relevance > 0 for relevance in found.values())
    assert found["both"] > found["rare"] > found["common"]
    # A rare word said once outweighs a common one said often: the engine counts how rare each is.
    best = await library.matching_videos(asking("zebra talk"), limit=2)
    assert set(best) == {"both", "rare"}
    assert await library.matching_videos(asking("unheard of"), limit=5) == {}
    assert asking("the of") == NO_WORDS
    assert await library.matching_videos(NO_WORDS, limit=5) == {}


async def test_relevance_does_not_depend_on_who_else_is_asked_about(library: VideoIndex) -> None:
    words = asking("zebra talk")
    found = await library.matching_videos(words, limit=50)
    everyone = [*found, "neither", "absent"]
    assert await library.relevance_of(words, everyone) == pytest.approx(found)
    assert await library.relevance_of(words, ["rare", "neither"]) == pytest.approx({"rare": found["rare"]})
    assert await library.relevance_of(words, ["neither", "absent"]) == {}
    assert await library.relevance_of(words, []) == {}
    assert await library.relevance_of(NO_WORDS, everyone) == {}


# The catalogue.


@pytest.fixture(scope="module")
async def paged(lasting_engine: Engine) -> VideoIndex:
    return await lasting_engine.build([embedded(f"v{n}", (n, 0, 0, 0)) for n in range(24)])


@pytest.mark.parametrize("limit", [1, 5, 8, 12, 23, 24, 25, 1000])
async def test_pages_walk_everything_once_in_one_order(paged: VideoIndex, limit: int) -> None:
    walked: list[VideoRecord] = []
    cursor = None
    pages = -(-24 // limit)
    for n in range(pages):
        page, cursor = await paged.page(limit=limit, cursor=cursor)
        assert (cursor is None) == (n == pages - 1)
        assert len(page) == limit or cursor is None
        walked += page
    whole, _ = await paged.page(limit=24)
    assert walked == whole
    assert {record.video_id for record in walked} == {f"v{n}" for n in range(24)}


@pytest.mark.parametrize("cursor", ["x", "v3", "0", "☃", "' OR 1=1", "ff" * 15, "ff" * 17, "../../etc", "\0"])
async def test_a_cursor_of_no_page_is_refused(paged: VideoIndex, cursor: str) -> None:
    with pytest.raises(CursorError):
        await paged.page(limit=5, cursor=cursor)


# Its labels.

# The emulation writes whatever could be a UUID in one way, so there is only one written so.
AWKWARD_LABELS = (
    *("", " ", " a", "a", "A", "a\0", "null", "true", "1", "-1", "1.0", "[]"),
    *("ß", "ss", "猫", "👩‍🚀", "\uffff"),
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "550e8400-e29b-41d4-a716-446655440000",
    "x" * 20_000,
    "x" * 20_001,
)


def labels_in(records: Iterable[VideoRecord], field: LabelField) -> list[Label]:
    """Count them as the contract says, from the records alone."""
    values = Counter(value for record in records if (value := getattr(record, field)) is not None)
    return sorted((Label(*counted) for counted in values.items()), key=lambda label: (-label[1], label[0]))


def labelled_catalogue() -> list[EmbeddedVideo]:
    """Videos of more channels than anyone is told of, most of them of one or two videos."""
    random = np.random.default_rng(17)
    channels = [None, *AWKWARD_LABELS, *(f"channel {n}" for n in range(300))]
    return [
        embedded(
            f"v{n}",
            (n, 0, 0, 0),
            passages=[passage((n, 0, 0, 0))] * int(random.integers(1, 4)),
            channel=channels[n if n < len(channels) else int(random.triangular(0, 0, len(channels)))],
            language=(None, "en", "de", "en-GB")[n % 4],
        )
        for n in range(900)
    ]


async def test_labels_count_videos_and_not_passages(engine: Engine) -> None:
    videos = [
        embedded("a", (0, 0, 0, 0), channel="x", language="en", passages=[passage((0, 0, 0, 0))] * 5),
        embedded("b", (1, 0, 0, 0), channel="y", language="en"),
        embedded("c", (2, 0, 0, 0), channel="y", passages=[passage((0, 0, 0, 0), None)]),
        embedded("d", (3, 0, 0, 0), passages=[]),
    ]
    index = await engine.build(videos)
    assert await index.labels("channel", limit=5) == [Label("y", 2), Label("x", 1)]
    assert await index.labels("language", limit=5) == [Label("en", 2)]


async def test_labels_are_cut_by_their_number_and_then_by_their_value(engine: Engine) -> None:
    videos = labelled_catalogue()
    index = await engine.build(videos)
    records = [video.record for video in videos]
    channels, languages = labels_in(records, "channel"), labels_in(records, "language")
    assert {label.value for label in channels} > set(AWKWARD_LABELS)
    assert languages == [Label("de", 225), Label("en", 225), Label("en-GB", 225)]
    for limit in (1, 2, 3, 4, 16, 50, 200, len(channels) - 1, len(channels), 1000):
        assert await index.labels("channel", limit=limit) == channels[:limit]
        assert await index.labels("language", limit=limit) == languages[:limit]


@on_less_than_all
async def test_labels_are_of_all_values_however_many(engine: Engine) -> None:
    # Of this many an engine that may estimate looks at a sample.
    values = [f"channel {n % 2500}" for n in range(2600)]
    index = await engine.build(
        [embedded(f"v{n}", (n, 0, 0, 0), channel=name) for n, name in enumerate(values)]
    )
    expected = [Label(name, 2) for name in sorted(values[:100])]
    assert await index.labels("channel", limit=100) == expected
    assert await index.labels("channel", limit=10) == expected[:10]
    singles = [Label(name, 1) for name in sorted(values[100:2500])]
    assert await index.labels("channel", limit=200) == expected + singles[:100]


async def test_labels_are_those_of_what_is_there_now(engine: Engine) -> None:
    videos = [embedded(f"{name}{n}", (n, 0, 0, 0), channel=name) for name in "abcd" for n in range(3)]
    await engine.build(videos)

    async def change(writer: IndexWriter) -> None:
        await writer.delete(["a0", "a1", "a2", "b0"])
        await writer.write([embedded("c0", (9, 0, 0, 0), channel="new"), embedded("e0", (9, 0, 0, 0))])
        shown = {name: VideoRecord(video_id=name, title="t", title_as_given="t") for name in ("d0", "d1")}
        moved = msgspec.structs.replace(shown["d1"], channel="b")
        await writer.write_records([(record, StoredVideo("c", "r")) for record in (shown["d0"], moved)])

    index = await engine.change(change)
    expected = [Label("b", 3), Label("c", 2), Label("d", 1), Label("new", 1)]
    assert await index.labels("channel", limit=10) == expected
    assert labels_in((await catalogue(index)).values(), "channel") == expected


async def test_labels_count_a_video_that_is_not_whole_as_pages_list_it(engine: Engine) -> None:
    unfinished = embedded("b", (1, 0, 0, 0), channel="x", content_hash="")
    index = await engine.build([embedded("a", (0, 0, 0, 0), channel="x"), unfinished])
    assert not (await engine.store.stored_videos())["b"].is_whole
    assert set(await catalogue(index)) == {"a", "b"}
    assert await index.labels("channel", limit=5) == [Label("x", 2)]


# Ids are anyone's.

AWKWARD_IDS = (
    "a/b",
    "a",
    "A",
    "..",
    " ",
    " a",
    "null",
    "123",
    "550e8400-e29b-41d4-a716-446655440000",
    "a\0",
    "a\x000",
    "a\n",
    '"quoted" \\',
    "%2F?&#",
    "-_aB3dE5gH7",
    "👩‍🚀",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "ß",
    "ss",
    "x" * 20_000,
    "x" * 20_001,
    "猫" * 500,
)


async def test_any_text_is_an_id_and_no_two_are_confused(engine: Engine) -> None:
    videos = [
        embedded(name, (n, 0, 0, 0), passages=[passage((n, 0, 0, 0), f"{n} {part}") for part in range(2)])
        for n, name in enumerate(AWKWARD_IDS)
    ]
    index = await engine.build(videos)
    assert set(await catalogue(index)) == set(AWKWARD_IDS)
    assert await index.nearest_videos(twice(ORIGIN), limit=50) == [
        VideoHit(name, float(n)) for n, name in enumerate(AWKWARD_IDS)
    ]
    assert ids(await index.nearest_by_passage(ORIGIN, limit=50)) == list(AWKWARD_IDS)
    assert await index.distances_of(ORIGIN, AWKWARD_IDS) == {name: n for n, name in enumerate(AWKWARD_IDS)}
    for n, name in enumerate(AWKWARD_IDS):
        assert sorted(await texts_of(index, name)) == [f"{n} 0", f"{n} 1"]
        assert set(await index.videos([name])) == {name}
    # Deleting every other one takes no neighbour along.
    index = await engine.change(lambda writer: writer.delete(AWKWARD_IDS[::2]))
    assert set(await catalogue(index)) == set(AWKWARD_IDS[1::2])
    assert ids(await index.nearest_by_passage(ORIGIN, limit=50)) == list(AWKWARD_IDS[1::2])


async def test_a_pair_vector_comes_back_bit_by_bit(engine: Engine) -> None:
    (title,), (text,) = unit_vectors(1, 384, seed=8), unit_vectors(1, 384, seed=9)
    pair = np.concatenate([title, text])
    index = await engine.build([embedded("a", pair), embedded("b", -pair)], dimension=384)
    found = await index.pair_vector("a")
    assert found is not None
    assert found.dtype == np.float32
    assert np.array_equal(found, pair)
    assert await index.pair_vector("absent") is None
    assert (await index.nearest_videos(found, limit=1))[0] == VideoHit("a", 0.0)


# Being read whole.


async def test_all_that_was_written_can_be_read_back(engine: Engine, tmp_path: Path) -> None:
    many = embedded(
        "many",
        (1, 2, 3, 4),
        text="one of many words",
        passages=[passage((1, 2, n, 0), f"part {n} of many", start=float(n), end=n + 0.1) for n in range(40)],
        title="Café & 猫 👩‍🚀",
        tags=("a", "b"),
        channel="Oven",
        published_at=LAST_YEAR,
        duration=61.5,
    )
    awkward = [embedded(name, (n, 0, 0, 0), text=f"text {n}") for n, name in enumerate(AWKWARD_IDS)]
    videos = [many, embedded("none", (5, 5, 5, 5), passages=[passage((5, 5, 5, 5), None)]), *awkward]
    await engine.build(videos)
    async with engine.store.export_live(scratch=tmp_path / "scratch") as held:
        assert_same_videos([video async for video in held.videos()], videos)
        assert held.manifest == await engine.store.live()
        again = [video.record.video_id async for video in held.videos()]
        files = [*held.files()]
    assert sorted(again) == sorted(video.record.video_id for video in videos)
    assert bool(files) is (engine.store.file_format is not None)


async def test_a_version_of_another_ones_files_answers_alike(engine: Engine, tmp_path: Path) -> None:
    if engine.store.file_format is None:
        with pytest.raises(IndexUnavailableError, match="takes points"):
            async with engine.store.build(
                dimension=2, keep_live=False, files=[FilePart("videos/a", 0, 0, b"")]
            ):
                pass
        return
    rows = unit_vectors(600, 4, seed=4)
    videos = [embedded(f"{n}", row, text=f"words {n % 7}") for n, row in enumerate(rows)]
    first = await engine.build(videos)
    async with (
        engine.store.export_live(scratch=tmp_path / "scratch") as held,
        engine.store.build(dimension=2, keep_live=False, files=held.files()) as build,
    ):
        await build.writer.finish()
        await build.publish(msgspec.structs.replace(held.manifest, index_version=build.version))
    second = await engine.open()
    assert second.manifest.index_version != first.manifest.index_version
    for row in unit_vectors(20, 2, seed=5):
        assert await second.nearest_by_passage(row, limit=30) == await first.nearest_by_passage(row, limit=30)


@pytest.mark.parametrize("new_engine", ["embedded"], indirect=True)
async def test_a_version_that_is_held_outlives_every_run(engine: Engine, tmp_path: Path) -> None:
    videos = [embedded(f"{n}", (n, 0, 0, 0)) for n in range(2500)]
    await engine.build(videos)
    async with engine.store.export_live(scratch=tmp_path / "scratch") as held:
        reading = held.videos()
        found = [await anext(reading)]
        for n in range(3):
            await engine.build([embedded(f"new {n}", (0, 0, 0, 0))])
        found += [video async for video in reading]
        assert len([*held.files()]) > 20
    assert_same_videos(found, videos)


async def test_without_an_index_there_is_nothing_to_read(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailableError, match="There is no index"):
        async with engine.store.export_live(scratch=tmp_path / "scratch"):
            pass


# Being open and being closed.


async def test_a_version_may_be_open_twice_and_one_closing_leaves_the_other(engine: Engine) -> None:
    first = await engine.build([embedded("a", (1, 0, 0, 0))])
    second = await engine.open()
    await first.close()
    assert ids(await second.nearest_videos(twice(ORIGIN), limit=1)) == ["a"]
    await second.close()
    third = await engine.open()
    assert ids(await third.nearest_by_passage(ORIGIN, limit=1)) == ["a"]


async def test_questions_may_be_asked_at_once(mixed: VideoIndex) -> None:
    alone = await mixed.nearest_by_passage(ORIGIN, limit=20)
    together = await asyncio.gather(*(mixed.nearest_by_passage(ORIGIN, limit=20) for _ in range(8)))
    assert together == [alone] * 8
