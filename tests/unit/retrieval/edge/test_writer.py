"""The files of a version of the embedded engine."""

import shutil
from pathlib import Path

import pytest

from retrieval.catalogue.manifest import IndexCounts
from retrieval.edge.driver import EdgeDriver
from retrieval.edge.writer import STORED_FILE, EdgeWriter, read_stored
from retrieval.errors import IndexUnavailableError
from retrieval.index.reading import VideoIndex
from retrieval.index.writing import StoredVideo
from tests.support.embedded_videos import embedded, manifest_of, passage, twice, vector

pytestmark = pytest.mark.anyio

TRANSCRIBED = embedded(
    "transcribed", (1, 0, 0, 0), passages=[passage((n, 0, 0, 0), f"part {n}") for n in range(3)]
)
SILENT = embedded("silent", (2, 0, 0, 0), passages=[passage((2, 0, 0, 0), None)], content_hash="other")
STORED = {"transcribed": StoredVideo("content", "record"), "silent": StoredVideo("other", "record")}


async def finished(folder: Path) -> Path:
    writer = EdgeWriter(folder, dimension=2)
    await writer.write([TRANSCRIBED, SILENT])
    await writer.finish()
    return folder


async def test_a_version_counts_its_videos_and_passages(index_folder: Path) -> None:
    writer = EdgeWriter(index_folder, dimension=2)
    assert await writer.counts() == IndexCounts(videos=0, passages=0, videos_with_transcript=0)
    await writer.write([TRANSCRIBED, SILENT])
    assert await writer.counts() == IndexCounts(videos=2, passages=4, videos_with_transcript=1)
    await writer.write_records([(TRANSCRIBED.record, TRANSCRIBED.stored), (SILENT.record, SILENT.stored)])
    assert await writer.counts() == IndexCounts(videos=2, passages=4, videos_with_transcript=1)
    await writer.delete(["transcribed"])
    assert await writer.counts() == IndexCounts(videos=1, passages=1, videos_with_transcript=0)
    await writer.close()


async def test_stored_videos_are_read_without_touching_the_version(index_folder: Path) -> None:
    folder = await finished(index_folder / "v")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert read_stored(folder) == STORED
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


async def test_an_unreadable_file_is_an_error_that_names_it(index_folder: Path) -> None:
    folder = await finished(index_folder / "v")
    path = folder / STORED_FILE
    for content in (b"", b"\x81", path.read_bytes()[:-1], b"\xc0"):
        path.write_bytes(content)
        with pytest.raises(IndexUnavailableError, match=STORED_FILE):
            read_stored(folder)
    path.unlink()
    with pytest.raises(IndexUnavailableError, match=STORED_FILE):
        read_stored(folder)


async def test_a_copy_is_changed_while_the_open_original_stays_unchanged(index_folder: Path) -> None:
    original = await finished(index_folder / "v1")
    index = VideoIndex(EdgeDriver(original), manifest_of((TRANSCRIBED, SILENT)))
    shutil.copytree(original, index_folder / "v2")
    writer = EdgeWriter(index_folder / "v2", dimension=2)
    assert await writer.stored_videos() == STORED
    await writer.delete(["transcribed"])
    await writer.finish()
    hits = await index.nearest_videos(twice(vector(0, 0)), limit=5)
    assert [hit.video_id for hit in hits] == ["transcribed", "silent"]
    assert read_stored(original) == STORED
    assert set(read_stored(index_folder / "v2")) == {"silent"}
    await index.close()


async def test_a_version_that_is_missing_or_damaged_cannot_be_opened(index_folder: Path) -> None:
    with pytest.raises(IndexUnavailableError, match="absent"):
        EdgeDriver(index_folder / "absent")
    folder = await finished(index_folder / "v")
    shutil.rmtree(folder / "passages")
    with pytest.raises(IndexUnavailableError, match="passages"):
        EdgeDriver(folder)
    (folder / "passages").mkdir()
    with pytest.raises(IndexUnavailableError, match="passages"):
        EdgeDriver(folder)
    with pytest.raises(IndexUnavailableError, match=str(folder)):
        EdgeWriter(folder, dimension=2)
