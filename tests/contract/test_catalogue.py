"""Every engine lists the catalogue and counts its labels in the same way."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest

from retrieval.catalogue.video import VideoRecord
from retrieval.errors import CursorError
from retrieval.index.hits import Label, LabelField
from retrieval.index.reading import VideoIndex
from retrieval.index.writing import EmbeddedVideo, IndexWriter, StoredVideo
from tests.support.embedded_videos import embedded, passage
from tests.support.engines import Engine
from tests.support.index_contract import catalogue, on_less_than_all

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def paged(lasting_engine: Engine) -> VideoIndex:
    return await lasting_engine.build([embedded(f"v{n}", (n, 0, 0, 0)) for n in range(24)])


@pytest.mark.parametrize("limit", [1, 5, 8, 12, 23, 24, 25, 1000])
async def test_pages_list_every_video_once_in_a_fixed_order(paged: VideoIndex, limit: int) -> None:
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
async def test_an_unknown_cursor_is_refused(paged: VideoIndex, cursor: str) -> None:
    with pytest.raises(CursorError):
        await paged.page(limit=5, cursor=cursor)


# The emulation normalizes values that look like UUIDs, so there is only one.
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
    """Count labels from the records."""
    values = Counter(value for record in records if (value := getattr(record, field)) is not None)
    return sorted((Label(*counted) for counted in values.items()), key=lambda label: (-label[1], label[0]))


def labelled_catalogue() -> list[EmbeddedVideo]:
    """Videos of more channels than a response lists, most with one or two videos."""
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


async def test_labels_are_cut_by_their_count_and_then_by_their_value(engine: Engine) -> None:
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
async def test_labels_count_exactly_with_thousands_of_values(engine: Engine) -> None:
    # With this many values, an engine that may estimate reads a sample.
    values = [f"channel {n % 2500}" for n in range(2600)]
    index = await engine.build(
        [embedded(f"v{n}", (n, 0, 0, 0), channel=name) for n, name in enumerate(values)]
    )
    expected = [Label(name, 2) for name in sorted(values[:100])]
    assert await index.labels("channel", limit=100) == expected
    assert await index.labels("channel", limit=10) == expected[:10]
    singles = [Label(name, 1) for name in sorted(values[100:2500])]
    assert await index.labels("channel", limit=200) == expected + singles[:100]


async def test_labels_follow_changes(engine: Engine) -> None:
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


async def test_labels_count_incomplete_videos_as_pages_list_them(engine: Engine) -> None:
    unfinished = embedded("b", (1, 0, 0, 0), channel="x", content_hash="")
    index = await engine.build([embedded("a", (0, 0, 0, 0), channel="x"), unfinished])
    assert not (await engine.store.stored_videos())["b"].is_whole
    assert set(await catalogue(index)) == {"a", "b"}
    assert await index.labels("channel", limit=5) == [Label("x", 2)]
