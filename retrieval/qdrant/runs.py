"""The log of runs on a Qdrant server: metadata of a collection without points."""

from collections.abc import Sequence

import msgspec
from qdrant_client import AsyncQdrantClient

from retrieval.catalogue.runs import Run
from retrieval.errors import UnreadableLogError
from retrieval.qdrant.connection import CLEAN_UP, METADATA_KEY, QdrantConnection


async def read_server_runs(connection: QdrantConnection, collection: str) -> tuple[Run, ...]:
    """Read the log, the last run first; empty where there is none.

    Raises UnreadableLogError where what is there is no log, and ServerError.
    """

    async def read(client: AsyncQdrantClient) -> tuple[Run, ...]:
        if not await client.collection_exists(collection):
            return ()
        info = await client.get_collection(collection)
        try:
            return msgspec.convert((info.config.metadata or {})[METADATA_KEY], tuple[Run, ...], strict=False)
        except (KeyError, msgspec.ValidationError) as e:
            raise UnreadableLogError(
                f"The metadata of the collection {collection} is no log of runs: {e}"
            ) from e

    # A run has other things to wait for than its log.
    return await connection.call(read, patience=CLEAN_UP)


async def write_server_runs(
    connection: QdrantConnection, collection: str, runs: Sequence[Run], *, replicas: int
) -> None:
    """Replace the log, kept on as many nodes as the index is. Raises ServerError."""
    metadata = {METADATA_KEY: [msgspec.to_builtins(run) for run in runs]}

    async def write(client: AsyncQdrantClient) -> None:
        if await client.collection_exists(collection):
            await client.update_collection(collection, metadata=metadata)
            return
        await client.create_collection(
            collection, vectors_config={}, shard_number=1, replication_factor=replicas, metadata=metadata
        )

    await connection.call(write, patience=CLEAN_UP)
