"""A searcher in this process, with and without the embedding of queries."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from benchmarks.conditions import cores
from retrieval.edge.driver import EdgeDriver
from retrieval.edge.generations import Generations
from retrieval.index.reading import VideoIndex
from retrieval.opening import embedded_index
from retrieval.search.searcher import Searcher
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.query_batcher import QueryBatcher
from retrieval.text.vectors import Embedding


class KnownQueries:
    """A QueryEncoder of precomputed embeddings, to measure the index alone."""

    def __init__(self, embeddings: Mapping[str, Embedding]) -> None:
        self._embeddings = embeddings

    async def encode_query(self, text: str) -> Embedding:
        return self._embeddings[text]


class Opened(msgspec.Struct, frozen=True):
    """One open index: the whole search, the search without embedding, and the index itself."""

    whole: Searcher
    index_only: Searcher
    index: VideoIndex


@asynccontextmanager
async def opened_search(
    index_dir: Path, encoder: OnnxEncoder, embeddings: Mapping[str, Embedding]
) -> AsyncIterator[Opened]:
    """Open an index as the API does, without a result cache. `encoder` should use one thread."""
    async with AsyncExitStack() as stack:
        batcher = QueryBatcher(encoder.encode_queries, threads=cores())
        stack.push_async_callback(batcher.close)
        live = embedded_index(Generations(index_dir), encoder.exported.identity)
        stack.push_async_callback(live.close)
        await live.start()
        async with live.lease() as index:
            yield Opened(
                Searcher(encoder=batcher, source=live, cached_results=0),
                Searcher(encoder=KnownQueries(embeddings), source=live, cached_results=0),
                index,
            )


def open_live(index_dir: Path) -> VideoIndex:
    """Open the live version only, to search it directly."""
    generations = Generations(index_dir)
    pointer = generations.pointer()
    if pointer is None:
        raise FileNotFoundError(index_dir)
    driver = EdgeDriver(generations.folder(pointer.live))
    return VideoIndex(driver, generations.manifest(pointer.live))
