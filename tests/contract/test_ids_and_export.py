"""Every engine accepts any text as a video id, and returns all that was written."""

import unicodedata
from pathlib import Path

import msgspec
import numpy as np
import pytest

from retrieval.errors import IndexUnavailableError
from retrieval.index.file_parts import FilePart
from retrieval.index.hits import VideoHit
from tests.support.embedded_videos import assert_same_videos, embedded, passage, twice, unit_vectors
from tests.support.engines import Engine
from tests.support.index_contract import LAST_YEAR, ORIGIN, catalogue, ids, texts_of

pytestmark = pytest.mark.anyio


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


async def test_any_text_can_be_an_id_and_similar_ids_stay_distinct(engine: Engine) -> None:
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
    # Deleting every second video deletes no other.
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
    async with engine.store.export_live(scratch=tmp_path / "scratch") as export:
        assert_same_videos([video async for video in export.videos()], videos)
        assert export.manifest == await engine.store.live()
        again = [video.record.video_id async for video in export.videos()]
        files = [*export.files()]
    assert sorted(again) == sorted(video.record.video_id for video in videos)
    assert bool(files) is (engine.store.file_format is not None)


async def test_a_version_built_from_exported_files_gives_the_same_results(
    engine: Engine, tmp_path: Path
) -> None:
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
        engine.store.export_live(scratch=tmp_path / "scratch") as export,
        engine.store.build(dimension=2, keep_live=False, files=export.files()) as build,
    ):
        await build.writer.finish()
        await build.publish(msgspec.structs.replace(export.manifest, index_version=build.version))
    second = await engine.open()
    assert second.manifest.index_version != first.manifest.index_version
    for row in unit_vectors(20, 2, seed=5):
        assert await second.nearest_by_passage(row, limit=30) == await first.nearest_by_passage(row, limit=30)


@pytest.mark.parametrize("new_engine", ["embedded"], indirect=True)
async def test_an_exported_version_stays_readable_while_runs_replace_it(
    engine: Engine, tmp_path: Path
) -> None:
    videos = [embedded(f"{n}", (n, 0, 0, 0)) for n in range(2500)]
    await engine.build(videos)
    async with engine.store.export_live(scratch=tmp_path / "scratch") as export:
        reading = export.videos()
        found = [await anext(reading)]
        for n in range(3):
            await engine.build([embedded(f"new {n}", (0, 0, 0, 0))])
        found += [video async for video in reading]
        assert len([*export.files()]) > 20
    assert_same_videos(found, videos)


async def test_without_an_index_there_is_nothing_to_export(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailableError, match="There is no index"):
        async with engine.store.export_live(scratch=tmp_path / "scratch"):
            pass
