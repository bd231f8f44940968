from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pytest

from ingest.embedding.embedder import Embedder
from ingest.errors import IngestError
from ingest.sync.publish import publish
from retrieval.catalogue.manifest import IndexCounts, Manifest, PassageSettings
from retrieval.catalogue.video import Video
from retrieval.edge import store as edge_store
from retrieval.edge.driver import EdgeDriver
from retrieval.edge.generations import Generations
from retrieval.edge.store import EdgeStore
from retrieval.index.writing import EmbeddedVideo
from tests.support.documents import DIMENSION, IDENTITY, RenamingEncoder, WordEncoder
from tests.support.folders import passing_folder

pytestmark = pytest.mark.anyio

SETTINGS = PassageSettings()
GARDEN = ("tomatoes", "beans", "roses", "compost", "pruning", "mulch", "seeds")
# Stop words: no search finds these by their words, so a title is found by its embedding or not at all.
MEANINGLESS = ("the", "and", "with")


def garden(*, words: Sequence[str] = GARDEN) -> list[Video]:
    return [Video(video_id=word, title=f"about {word}", transcript=f"all on {word}") for word in words]


def embedded(videos: Sequence[Video]) -> list[EmbeddedVideo]:
    embedder = Embedder(WordEncoder(), model=IDENTITY, settings=SETTINGS, max_pieces=256)
    return [video for batch in embedder.embed(map(embedder.cut, videos)) for video in batch]


@pytest.fixture
def generations() -> Iterator[Generations]:
    with passing_folder() as folder:
        yield Generations(folder / "index")


async def go_live(
    generations: Generations,
    videos: Sequence[EmbeddedVideo],
    *,
    encoder: WordEncoder | None = None,
    is_sample: bool = False,
) -> Manifest:
    async with EdgeStore(generations).build(dimension=DIMENSION, keep_live=False) as build:
        await build.writer.write(videos)
        counts = await build.writer.counts()
        await build.writer.finish()
        return await publish(
            build,
            counts=counts,
            encoder=encoder or WordEncoder(),
            model=IDENTITY,
            settings=SETTINGS,
            is_sample=is_sample,
        )


def live_files(generations: Generations) -> dict[str, bytes]:
    folder = generations.index_dir
    files = [*folder.glob("generations/*/manifest.json"), folder / "CURRENT"]
    return {str(path): path.read_bytes() for path in files}


async def test_a_verified_version_becomes_live(generations: Generations) -> None:
    manifest = await go_live(generations, embedded(garden()), is_sample=True)
    pointer = generations.pointer()
    assert pointer is not None
    assert pointer.live == manifest.index_version
    assert generations.manifest(pointer.live) == manifest
    assert (manifest.model, manifest.passage_settings) == (IDENTITY, SETTINGS)
    assert manifest.counts == IndexCounts(videos=7, passages=7, videos_with_transcript=7)
    assert manifest.is_sample is True
    assert set(manifest.canaries) == {video.title for video in garden()}


async def test_canaries_are_few_however_many_videos(generations: Generations) -> None:
    manifest = await go_live(generations, embedded(garden(words=[f"plant{n}" for n in range(40)])))
    assert manifest.counts.videos == 40
    assert len(manifest.canaries) == len(set(manifest.canaries)) == 8


async def test_an_index_without_videos_needs_no_canary(generations: Generations) -> None:
    assert (await go_live(generations, [])).canaries == ()


async def test_a_title_that_does_not_find_its_video_is_no_canary(generations: Generations) -> None:
    videos = [
        Video(video_id=f"{title}{n}", title=title, transcript=f"{title} {title}")
        for title in MEANINGLESS
        for n in range(5)
    ]
    astray = RenamingEncoder({"the": "and"})
    manifest = await go_live(generations, embedded(videos), encoder=astray)
    assert set(manifest.canaries) == {"and", "with"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
async def test_a_vector_that_is_no_number_is_refused(generations: Generations, value: float) -> None:
    await go_live(generations, embedded(garden()))
    before = live_files(generations)
    *good, bad = embedded(garden())
    broken = msgspec.structs.replace(bad, vector=np.full(2 * DIMENSION, value, np.float32))
    with pytest.raises(IngestError, match=f"no usable vector for the video {bad.record.video_id}"):
        await go_live(generations, [*good, broken])
    assert live_files(generations) == before


@pytest.mark.parametrize("nearest", [{}, {"another": 0.5}])
async def test_an_engine_that_does_not_find_its_own_vectors_is_refused(
    generations: Generations, nearest: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    class LostGraph(EdgeDriver):
        async def search(self, *_: object, **__: object) -> dict[str, float]:
            return nearest

    await go_live(generations, embedded(garden()))
    before = live_files(generations)
    monkeypatch.setattr(edge_store, "EdgeDriver", LostGraph)
    with pytest.raises(IngestError, match=r"does not find the video \w+ by its own vector.*is unchanged"):
        await go_live(generations, embedded(garden()))
    assert live_files(generations) == before


async def test_a_version_whose_titles_find_other_videos_is_refused(generations: Generations) -> None:
    videos = [
        Video(video_id=f"{title}{n}", title=title, transcript=f"{title} {title}")
        for title in MEANINGLESS
        for n in range(5)
    ]
    await go_live(generations, embedded(videos))
    before = live_files(generations)
    another = RenamingEncoder(dict(zip(MEANINGLESS, [*MEANINGLESS[1:], MEANINGLESS[0]], strict=True)))
    with pytest.raises(IngestError, match=r"No video .* is found by its own title.*index is unchanged"):
        await go_live(generations, embedded(videos), encoder=another)
    assert live_files(generations) == before
