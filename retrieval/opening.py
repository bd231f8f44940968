"""The composition root of a search: chooses the engine, loads the model, and checks that the two match."""

import asyncio
import ctypes
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from retrieval.catalogue.manifest import ModelIdentity, check_servable
from retrieval.catalogue.run_log import RunLog
from retrieval.catalogue.runs import read_runs
from retrieval.edge.driver import EdgeDriver
from retrieval.edge.generations import Generations
from retrieval.index.live_index import POLL_SECONDS, LiveIndex
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexStore
from retrieval.search.searcher import Searcher
from retrieval.settings import QdrantSettings, SearchSettings
from retrieval.text.query_batcher import QueryBatcher

NO_INDEX = "There is no index yet. Build one: python -m ingest sync SOURCE"


@asynccontextmanager
async def open_searcher(settings: SearchSettings) -> AsyncIterator[Searcher]:
    """Load the model, open the live index if there is one, and close both in reverse.

    Raises ModelUnavailableError without a model, IncompatibleIndexError if the index was built with another
    model, and IndexUnavailableError if an embedded index cannot be opened. A missing index is no error, nor
    is a server that does not answer: the index is opened as soon as it is available.
    """
    # Imported here, because ingest opens a store without onnxruntime.
    from retrieval.text.onnx_encoder import OnnxEncoder  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        encoder = OnnxEncoder(settings.model_dir)
        encoder.encode_queries(["warm up"])
        batcher = QueryBatcher(encoder.encode_queries, threads=settings.encoder_threads)
        stack.push_async_callback(batcher.close)
        model = encoder.exported.identity
        if settings.qdrant:
            live, run_log = await stack.enter_async_context(server_index(settings.qdrant, model))
        else:
            live = embedded_index(Generations(settings.index_dir), model)
            # In a thread, like all files of the index below.
            run_log = RunLog(partial(asyncio.to_thread, read_runs, settings.index_dir))
        stack.push_async_callback(run_log.close)
        stack.push_async_callback(live.close)
        # Begins to read the log, so that the first health report contains the last run.
        await run_log.recent()
        await live.start()
        give_back_freed_memory()
        yield Searcher(encoder=batcher, source=live, cached_results=settings.cached_results, run_log=run_log)


def embedded_index(
    generations: Generations, model: ModelIdentity, *, poll_seconds: float = POLL_SECONDS
) -> LiveIndex:
    """Follow the live generation on this machine."""

    # Files are read in a thread: a disk that hangs must not block the event loop and the health routes.
    async def current() -> str | None:
        pointer = await asyncio.to_thread(generations.pointer)
        return pointer.live if pointer else None

    def open_version(name: str) -> VideoIndex:
        manifest = generations.manifest(name)
        check_servable(manifest, model)
        return VideoIndex(EdgeDriver(generations.folder(name)), manifest)

    async def open_in_thread(name: str) -> VideoIndex:
        return await asyncio.to_thread(open_version, name)

    return LiveIndex(
        current=current, open_version=open_in_thread, missing=NO_INDEX, poll_seconds=poll_seconds
    )


@asynccontextmanager
async def server_index(
    settings: QdrantSettings, model: ModelIdentity
) -> AsyncIterator[tuple[LiveIndex, RunLog]]:
    """Follow the live version on a Qdrant server, and read its log of runs."""
    # Imported here, because the server's client takes 0.5 s and tens of MB.
    from retrieval.qdrant.connection import SERVING, connected  # noqa: PLC0415
    from retrieval.qdrant.store import QdrantStore  # noqa: PLC0415

    async with connected(settings, SERVING) as connection:
        store = QdrantStore(connection, settings)

        async def current() -> str | None:
            manifest = await store.live()
            return manifest.index_version if manifest else None

        async def open_version(_: str) -> VideoIndex:
            index = await store.open_live()
            check_servable(index.manifest, model)
            return index

        live = LiveIndex(current=current, open_version=open_version, missing=NO_INDEX, may_be_away=True)
        yield live, RunLog(store.runs)


@asynccontextmanager
async def open_store(settings: SearchSettings) -> AsyncIterator[IndexStore]:
    """Open the store that the settings name; nothing is read or sent yet."""
    # Only the library of one engine is imported: the server's client takes 0.5 s and tens of MB.
    if settings.qdrant is None:
        from retrieval.edge.store import EdgeStore  # noqa: PLC0415

        yield EdgeStore(Generations(settings.index_dir))
        return
    from retrieval.qdrant.connection import BATCH, connected  # noqa: PLC0415
    from retrieval.qdrant.store import QdrantStore  # noqa: PLC0415

    async with connected(settings.qdrant, BATCH) as connection:
        yield QdrantStore(connection, settings.qdrant)


def give_back_freed_memory() -> None:
    """Return freed memory to the operating system; with another C library than glibc this does nothing.

    Loading a model briefly takes twice its size, and glibc would keep the freed half for later allocations: a
    tenth of the memory of a service that allocates little afterwards.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
