"""Every engine writes, replaces and deletes videos in the same way."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from retrieval.catalogue.video import VideoRecord
from retrieval.index.hits import VideoHit
from retrieval.index.reading import SearchFilter
from retrieval.index.writing import IndexWriter, StoredVideo
from tests.support.embedded_videos import asking, embedded, passage, twice
from tests.support.engines import Engine
from tests.support.index_contract import LAST_YEAR, ORIGIN, catalogue, ids, texts_of

pytestmark = pytest.mark.anyio


async def test_an_empty_index_returns_empty_results(engine: Engine) -> None:
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


async def test_a_record_is_read_back_unchanged(engine: Engine) -> None:
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


async def test_no_passage_of_a_longer_version_remains(engine: Engine) -> None:
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


async def test_new_records_keep_embeddings_and_passages(engine: Engine) -> None:
    parts = [passage((n, 0, 0, 0), f"part {n}", start=float(n), end=n + 1.0) for n in range(3)]
    old = embedded(
        "a", (7, 0, 0, 0), text="word", passages=parts, channel="old", language="en", published_at=LAST_YEAR
    )
    other = embedded("b", (8, 0, 0, 0), channel="old", language="en", published_at=LAST_YEAR)
    await engine.build([old, other])
    # A writer of records alone does not know the number of passages.
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


async def test_the_writer_lists_the_stored_videos(engine: Engine) -> None:
    count = 2500  # More than one page of the engine.
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
