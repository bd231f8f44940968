"""Opening the place where versions are built and switched: which engine. Needs no model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from retrieval.settings import SearchSettings
from retrieval.store import IndexStore


@asynccontextmanager
async def open_store(settings: SearchSettings) -> AsyncIterator[IndexStore]:
    """Open the store that the settings name; nothing is read or asked yet."""
    # Only one engine's library is loaded: the server's client takes 0.5 s and tens of MB.
    if settings.qdrant is None:
        from retrieval.edge_store import EdgeStore  # noqa: PLC0415
        from retrieval.generations import Generations  # noqa: PLC0415

        yield EdgeStore(Generations(settings.index_dir))
        return
    from retrieval.qdrant_connection import BATCH, connected  # noqa: PLC0415
    from retrieval.qdrant_store import QdrantStore  # noqa: PLC0415

    async with connected(settings.qdrant, BATCH) as connection:
        yield QdrantStore(connection, settings.qdrant)
