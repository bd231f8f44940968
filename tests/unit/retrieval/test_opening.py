"""From the files on disk to a search result, while versions are switched."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run, RunOutcome, write_runs
from retrieval.durable_files import replace_file
from retrieval.edge.generations import POINTER_FILE, Generations
from retrieval.edge.writer import EdgeWriter
from retrieval.errors import IndexUnavailableError
from retrieval.index.writing import EmbeddedVideo
from retrieval.opening import embedded_index, open_searcher
from retrieval.search.results import SearchRequest
from retrieval.settings import SearchSettings
from retrieval.text.onnx_encoder import OnnxEncoder
from tests.support.embedded_videos import embedded, manifest_of
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

ONE, TWO = embedded("one", (1, 0, 0, 0)), embedded("two", (2, 0, 0, 0))
MODEL = manifest_of(()).model


async def publish(
    generations: Generations, videos: Sequence[EmbeddedVideo], *, dimension: int = 2, **changed: object
) -> Manifest:
    folder = generations.start()
    writer = EdgeWriter(folder, dimension=dimension)
    await writer.write(videos)
    await writer.finish()
    manifest = manifest_of(videos, version=folder.name, dimension=dimension)
    generations.publish(folder, msgspec.structs.replace(manifest, **changed))
    return generations.manifest(folder.name)


async def test_the_pointer_is_followed_through_publish_and_roll_back(index_folder: Path) -> None:
    generations = Generations(index_folder)
    live = embedded_index(generations, MODEL, poll_seconds=0.01)
    await live.start()
    with pytest.raises(IndexUnavailableError, match="ingest sync"):
        live.lease()

    async def serving() -> tuple[str, set[str]]:
        async with live.lease() as index:
            page, _ = await index.page(limit=10)
            return index.manifest.index_version, {record.video_id for record in page}

    async def served(version: str) -> None:
        def is_live() -> bool:
            try:
                return live.lease()._version.name == version
            except IndexUnavailableError:
                return False

        await until(is_live)

    first = (await publish(generations, [ONE])).index_version
    await served(first)
    assert await serving() == (first, {"one"})
    async with live.lease() as leased:
        second = (await publish(generations, [ONE, TWO])).index_version
        third = (await publish(generations, [TWO])).index_version
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
    manifest = await publish(generations, [ONE])
    config = generations.folder(manifest.index_version) / "videos" / "edge_config.json"
    config.write_bytes(b"{")
    with pytest.raises(IndexUnavailableError):
        await embedded_index(generations, MODEL, poll_seconds=0.01).start()
    (index_folder / POINTER_FILE).write_bytes(b"{")
    with pytest.raises(IndexUnavailableError, match=POINTER_FILE):
        await embedded_index(generations, MODEL, poll_seconds=0.01).start()


async def test_a_searcher_with_the_real_model_finds_videos_by_meaning(
    model_dir: Path, index_folder: Path
) -> None:
    texts = {
        "cooking": "How to bake bread at home with flour and yeast",
        "space": "A rocket travels to the moon and the planets",
        "music": "Learning to play the guitar, chords and songs",
    }
    encoder = OnnxEncoder(model_dir)
    embeddings = encoder.encode_documents(list(texts.values()))
    videos = [
        embedded(name, np.concatenate([row, row]), text=texts[name])
        for name, row in zip(texts, embeddings, strict=True)
    ]
    settings = SearchSettings(index_dir=index_folder, model_dir=model_dir, encoder_threads=1)
    identity = encoder.exported.identity
    async with open_searcher(settings) as searcher:
        with pytest.raises(IndexUnavailableError, match="ingest sync"):
            await searcher.manifest()
    manifest = await publish(Generations(index_folder), videos, dimension=identity.dimension, model=identity)
    run = Run(began_at=manifest.built_at, sources=("by hand",), outcome=RunOutcome.PUBLISHED)
    write_runs(index_folder, [run])
    async with open_searcher(settings) as searcher:
        await searcher.check()
        assert await searcher.manifest() == manifest
        assert await searcher.recent_runs() == (run,)
        answer = await searcher.search(SearchRequest(text="astronauts and spacecraft", limit=1))
        assert answer.videos[0].record.video_id == "space"
        assert (await searcher.classic("recipe for a loaf"))[0].video_id == "cooking"
        (found,) = (await searcher.search_inside("music", "guitar", limit=1)).videos
        assert found.moments[0].text == texts["music"]


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
