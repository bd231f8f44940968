"""Opening a searcher: which engine, which model, and that the two belong together."""

import asyncio
import ctypes
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from retrieval.catalogue.manifest import ModelIdentity, check_servable
from retrieval.catalogue.run_log import RunLog
from retrieval.catalogue.runs import Run, read_runs
from retrieval.edge.generations import Generations
from retrieval.edge.index import EdgeIndex
from retrieval.index.live_index import LiveIndex
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexStore
from retrieval.search.searcher import Searcher
from retrieval.settings import QdrantSettings, SearchSettings
from retrieval.text.query_batcher import QueryBatcher

NO_INDEX = "There is no index yet. Build one: python -m ingest sync SOURCE"


@asynccontextmanager
async def open_searcher(settings: SearchSettings) -> AsyncIterator[Searcher]:
    """Load the model, open the live index if there is one, and close both in reverse.

    Raises ModelUnavailableError without a model, IncompatibleIndexError where the index was built with
    another one, and IndexUnavailableError where an embedded one cannot be opened. No index at all is not an
    error, nor is a server that does not answer: what comes later is taken up.
    """
    # Ingest opens a store without a model; onnxruntime is loaded for a search alone.
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
            run_log = embedded_run_log(settings.index_dir)
        stack.push_async_callback(run_log.close)
        stack.push_async_callback(live.close)
        await live.start()
        give_back_freed_memory()
        yield Searcher(encoder=batcher, source=live, cached_results=settings.cached_results, run_log=run_log)


def embedded_index(generations: Generations, model: ModelIdentity) -> LiveIndex:
    """Follow the live generation on this machine."""

    async def current() -> str | None:
        pointer = generations.pointer()
        return pointer.live if pointer else None

    def open_version(name: str) -> VideoIndex:
        manifest = generations.manifest(name)
        check_servable(manifest, model)
        return EdgeIndex(generations.folder(name), manifest)

    async def open_in_thread(name: str) -> VideoIndex:
        return await asyncio.to_thread(open_version, name)

    return LiveIndex(current=current, open_version=open_in_thread, missing=NO_INDEX)


def embedded_run_log(index_dir: Path) -> RunLog:
    """Read the log of runs beside the generations."""

    async def read() -> Sequence[Run]:
        return await asyncio.to_thread(read_runs, index_dir)

    return RunLog(read)


@asynccontextmanager
async def server_index(
    settings: QdrantSettings, model: ModelIdentity
) -> AsyncIterator[tuple[LiveIndex, RunLog]]:
    """Follow the live version on a Qdrant server, and read its log of runs."""
    # The server's client takes 0.5 s to import and tens of MB, which the embedded engine has no use for.
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
    """Open the store that the settings name; nothing is read or asked yet."""
    # Only one engine's library is loaded: the server's client takes 0.5 s and tens of MB.
    if settings.qdrant is None:
        from retrieval.edge.generations import Generations  # noqa: PLC0415
        from retrieval.edge.store import EdgeStore  # noqa: PLC0415

        yield EdgeStore(Generations(settings.index_dir))
        return
    from retrieval.qdrant.connection import BATCH, connected  # noqa: PLC0415
    from retrieval.qdrant.store import QdrantStore  # noqa: PLC0415

    async with connected(settings.qdrant, BATCH) as connection:
        yield QdrantStore(connection, settings.qdrant)


def give_back_freed_memory() -> None:
    """Have the C library keep nothing of what was freed; on another than glibc this does nothing.

    Loading a model takes its size twice for a moment, and glibc would keep that for what may come: a tenth of
    what a service holds that then allocates little.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
