"""An embedded index is followed while its files change."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval.durable_files import replace_file
from retrieval.edge.generations import POINTER_FILE, Generations
from retrieval.edge.writer import EdgeWriter
from retrieval.errors import IndexUnavailableError
from retrieval.index.live_index import LiveIndex
from retrieval.index.writing import EmbeddedVideo
from retrieval.opening import embedded_index
from tests.support.embedded_videos import embedded, manifest_of
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

ONE, TWO = embedded("one", (1, 0, 0, 0)), embedded("two", (2, 0, 0, 0))
MODEL = manifest_of(()).model


async def publish(generations: Generations, videos: Sequence[EmbeddedVideo]) -> str:
    folder = generations.start()
    writer = EdgeWriter(folder, dimension=2)
    await writer.write(videos)
    await writer.finish()
    generations.publish(folder, manifest_of(videos, version=folder.name))
    return folder.name


async def leased_version(live: LiveIndex) -> str:
    async with live.lease() as index:
        return index.manifest.index_version


async def test_the_pointer_is_followed_through_publish_and_roll_back(index_folder: Path) -> None:
    generations = Generations(index_folder)
    live = embedded_index(generations, MODEL, poll_seconds=0.01)
    await live.start()
    with pytest.raises(IndexUnavailableError, match="ingest sync"):
        await leased_version(live)

    async def serving() -> tuple[str, set[str]]:
        async with live.lease() as index:
            page, _ = await index.page(limit=10)
            return index.manifest.index_version, {record.video_id for record in page}

    async def served(version: str) -> None:
        await until(lambda: live._version and live._version.name == version)

    first = await publish(generations, [ONE])
    await served(first)
    assert await serving() == (first, {"one"})
    async with live.lease() as leased:
        second = await publish(generations, [ONE, TWO])
        third = await publish(generations, [TWO])
        await served(third)
        # The leased version has been deleted from the disk, and still answers.
        assert not generations.folder(first).exists()
        assert (await leased.videos(["one", "two"])).keys() == {"one"}
        assert await serving() == (third, {"two"})
    generations.roll_back()
    await served(second)
    assert await serving() == (second, {"one", "two"})
    await live.close()


async def test_a_damaged_index_is_refused(index_folder: Path) -> None:
    generations = Generations(index_folder)
    config = generations.folder(await publish(generations, [ONE])) / "videos" / "edge_config.json"
    config.write_bytes(b"{")
    with pytest.raises(IndexUnavailableError):
        await embedded_index(generations, MODEL, poll_seconds=0.01).start()
    (index_folder / POINTER_FILE).write_bytes(b"{")
    with pytest.raises(IndexUnavailableError, match=POINTER_FILE):
        await embedded_index(generations, MODEL, poll_seconds=0.01).start()


async def test_a_hung_disk_does_not_block_the_event_loop(index_folder: Path) -> None:
    generations = Generations(index_folder)
    await publish(generations, [ONE])
    live = embedded_index(generations, MODEL, poll_seconds=0.01)
    await live.start()
    pointer = index_folder / POINTER_FILE
    content = pointer.read_bytes()
    pointer.unlink()
    os.mkfifo(pointer)  # Reading it blocks until a writer opens it.
    for _ in range(20):
        await asyncio.sleep(0.01)
        async with live.lease() as index:
            assert (await index.videos(["one"])).keys() == {"one"}
    assert live.is_followed
    with await asyncio.to_thread(pointer.open, "wb") as hung:
        replace_file(pointer, content)  # From the next read on, the disk is well again.
        hung.write(content)
    await live.close()
