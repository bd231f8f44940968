"""The tutorial's catalogue, brought in as it is: the same embeddings, the same answers, better ranking."""

import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from retrieval.opening import open_searcher
from retrieval.search.ranking import Mode
from retrieval.search.results import SearchRequest
from retrieval.search.searcher import Searcher
from retrieval.settings import SearchSettings
from retrieval.text.onnx_encoder import OnnxEncoder
from tests.support.contents import Contents, contents_of
from tests.support.folders import passing_folder
from tests.support.processes import REPOSITORY, Ingest, copied

pytestmark = pytest.mark.anyio

DATA = REPOSITORY.parent / "shared" / "data" / "tutorial"
ENOUGH_SECONDS = 300.0


@pytest.fixture(scope="module")
def data() -> Path:
    if not (DATA / "video-index.parquet").is_file():
        pytest.skip(f"the tutorial's data is not at {DATA}")
    return DATA


@pytest.fixture(scope="module")
def index_dir(data: Path, model_dir: Path, pytestconfig: pytest.Config) -> Iterator[Path]:
    """The tutorial's catalogue, synced.

    Embedding it is a minute's work, so it is kept while nothing that it is made by or from changes.
    """
    catalogue = data / "video-transcripts.parquet"
    kept = pytestconfig.cache.mkdir("tutorial-index") / key_of(catalogue, model_dir / "model.json")
    with passing_folder() as folder:
        if kept.is_dir():
            yield copied(kept, folder / "index")
            return
        ingest = Ingest(folder / "index", model_dir.resolve())
        with ingest.start("sync", catalogue) as process:
            said, errors = process.communicate(timeout=ENOUGH_SECONDS)
        assert process.returncode == 0, said + errors
        for outdated in kept.parent.iterdir():
            shutil.rmtree(outdated)
        copied(ingest.index_dir, kept.parent / "being-kept").rename(kept)
        yield ingest.index_dir


def key_of(*made_from: Path) -> str:
    """Hash these files, the code of the batch job, and the version of everything installed."""
    code = [path for room in ("ingest", "retrieval") for path in sorted((REPOSITORY / room).rglob("*.py"))]
    installed = sorted(f"{found.name}=={found.version}" for found in distributions())
    parts = [*(path.read_bytes() for path in (*made_from, *code)), repr(installed).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


@pytest.fixture(scope="module")
def contents(index_dir: Path) -> Contents:
    return contents_of(index_dir)


@pytest.fixture(scope="module")
async def searcher(index_dir: Path, model_dir: Path) -> AsyncIterator[Searcher]:
    settings = SearchSettings(index_dir=index_dir, model_dir=model_dir, cached_results=0)
    async with open_searcher(settings) as searcher:
        yield searcher


class Tutorial:
    """The tutorial's own index, and its rule over it in float64."""

    def __init__(self, data: Path, encoder: OnnxEncoder) -> None:
        frame = pl.read_parquet(data / "video-index.parquet")
        self.ids: list[str] = frame["video_id"].to_list()
        self.titles: list[str] = frame["title"].to_list()
        self.title_vectors = self._half(frame, "title_embedding-")
        self.transcript_vectors = self._half(frame, "transcript_embedding-")
        self._encoder = encoder

    def search(self, queries: Sequence[str]) -> list[list[str]]:
        embeddings = self._encoder.encode_queries(queries).astype(np.float64)
        return [self._nearest(embedding) for embedding in embeddings]

    def _nearest(self, embedding: NDArray[np.float64]) -> list[str]:
        distances = np.abs(self.title_vectors - embedding).sum(1)
        distances += np.abs(self.transcript_vectors - embedding).sum(1)
        near = [i for i in np.argsort(distances, kind="stable") if distances[i] < 40]
        return [self.ids[i] for i in near[:5]]

    @staticmethod
    def _half(frame: pl.DataFrame, prefix: str) -> NDArray[np.float64]:
        return frame.select([f"{prefix}{n}" for n in range(384)]).to_numpy()


@pytest.fixture(scope="module")
def tutorial(data: Path, model_dir: Path) -> Tutorial:
    return Tutorial(data, OnnxEncoder(model_dir))


@pytest.fixture(scope="module")
def labelled(data: Path) -> list[tuple[str, str]]:
    return pl.read_csv(data / "eval-raw.csv").select("query", "video_id").rows()


async def ranks(searcher: Searcher, labelled: list[tuple[str, str]], mode: Mode) -> list[float]:
    """The reciprocal rank of the right video among the first 50, by query."""
    found = []
    for query, video_id in labelled:
        answer = await searcher.search(SearchRequest(text=query, limit=50, moments=0, mode=mode))
        ids = [video.record.video_id for video in answer.videos]
        found.append(1 / (ids.index(video_id) + 1) if video_id in ids else 0.0)
    return found


def test_everything_is_in(contents: Contents, tutorial: Tutorial) -> None:
    assert contents.vectors.keys() == set(tutorial.ids)
    assert contents.manifest.counts.videos == 83
    assert contents.manifest.counts.videos_with_transcript == 80


def test_the_embeddings_are_the_tutorials(contents: Contents, tutorial: Tutorial) -> None:
    ours = np.stack([contents.vectors[video_id] for video_id in tutorial.ids])
    theirs = np.hstack([tutorial.title_vectors, tutorial.transcript_vectors])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


async def test_the_classic_answers_are_the_tutorials(
    searcher: Searcher, tutorial: Tutorial, labelled: list[tuple[str, str]]
) -> None:
    # Its own queries; titles, which are nearer than any query; and some so far off that few are under 40.
    assert len(labelled) == 64
    far = ["zzzz", "a recipe for goulash", "1234567890", "the the the", "\u5bff\u53f8", "fishing in June"]
    queries = [*(query for query, _ in labelled), *tutorial.titles[:44], *far]
    sizes = set()
    for query, expected in zip(queries, tutorial.search(queries), strict=True):
        sizes.add(len(expected))
        assert [record.video_id for record in await searcher.classic(query)] == expected, query
    # Otherwise the threshold was never put to the test.
    assert min(sizes) < 5
    assert max(sizes) == 5


async def test_classic_titles_are_as_given(searcher: Searcher, tutorial: Tutorial) -> None:
    given = dict(zip(tutorial.ids, tutorial.titles, strict=True))
    for title in tutorial.titles[:20]:
        for record in await searcher.classic(title):
            assert record.title_as_given == given[record.video_id]


async def test_hybrid_search_ranks_the_right_video_first(
    searcher: Searcher, labelled: list[tuple[str, str]]
) -> None:
    found = await ranks(searcher, labelled, "hybrid")
    assert float(np.mean(found)) >= 0.87
    assert found.count(1.0) >= 50


async def test_semantic_search_ranks_the_right_video_high(
    searcher: Searcher, labelled: list[tuple[str, str]]
) -> None:
    assert float(np.mean(await ranks(searcher, labelled, "semantic"))) >= 0.86
