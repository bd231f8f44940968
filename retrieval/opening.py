"""Opening a searcher: which engine, which model, and that the two belong together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from retrieval.edge_index import EdgeIndex
from retrieval.generations import Generations
from retrieval.index import VideoIndex
from retrieval.live_index import LiveIndex
from retrieval.manifest import ModelIdentity, check_servable
from retrieval.onnx_encoder import OnnxEncoder
from retrieval.query_batcher import QueryBatcher
from retrieval.search import Searcher
from retrieval.settings import SearchSettings

NO_INDEX = "There is no index yet. Build one: python -m ingest sync SOURCE"


@asynccontextmanager
async def open_searcher(settings: SearchSettings) -> AsyncIterator[Searcher]:
    """Load the model, open the live index if there is one, and close both in reverse.

    Raises ModelUnavailableError without a model, IncompatibleIndexError where the index was built with
    another one, and IndexUnavailableError where it cannot be opened. No index at all is not an error: one
    that is published later is taken up.
    """
    async with AsyncExitStack() as stack:
        encoder = OnnxEncoder(settings.model_dir)
        encoder.encode_queries(["warm up"])
        batcher = QueryBatcher(encoder.encode_queries, threads=settings.encoder_threads)
        stack.push_async_callback(batcher.close)
        live = embedded_index(Generations(settings.index_dir), encoder.exported.identity)
        stack.push_async_callback(live.close)
        await live.start()
        yield Searcher(encoder=batcher, source=live, cached_results=settings.cached_results)


def embedded_index(generations: Generations, model: ModelIdentity) -> LiveIndex:
    """Follow the live generation on this machine."""

    def current() -> str | None:
        pointer = generations.pointer()
        return pointer.live if pointer else None

    def open_version(name: str) -> VideoIndex:
        manifest = generations.manifest(name)
        check_servable(manifest, model)
        return EdgeIndex(generations.folder(name), manifest)

    async def open_in_thread(name: str) -> VideoIndex:
        return await asyncio.to_thread(open_version, name)

    return LiveIndex(current=current, open_version=open_in_thread, missing=NO_INDEX)
