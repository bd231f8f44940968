"""Generations on a Qdrant server: pairs of collections behind aliases, with manifests in their metadata.

    PREFIX-videos, PREFIX-passages                      aliases of the live generation's two collections
    PREFIX-videos-previous, PREFIX-passages-previous    aliases of the generation that a rollback makes live
    PREFIX-videos-NAME, PREFIX-passages-NAME            a generation; its manifest is metadata of the first

One request moves all four aliases at once.
"""

import logging
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from qdrant_client import AsyncQdrantClient, models

from retrieval.catalogue.manifest import Manifest
from retrieval.errors import UnreadableVersionError
from retrieval.index.stored_records import PASSAGES, VIDEOS
from retrieval.qdrant.connection import CLEAN_UP, METADATA_KEY, QdrantConnection
from retrieval.qdrant.errors import ServerError
from retrieval.qdrant.stored_records import INDEXED_FIELDS, collection_settings
from retrieval.settings import QdrantSettings

_log = logging.getLogger(__name__)

_KINDS = (VIDEOS, PASSAGES)
_NAME = r"\d{8}T\d{6}Z-[0-9a-f]{6}"


class ServerGenerations:
    """The generations under one collection prefix."""

    def __init__(self, connection: QdrantConnection, settings: QdrantSettings) -> None:
        self._connection = connection
        self._settings = settings
        prefix = re.escape(settings.collection)
        self._own = re.compile(rf"{prefix}-(?:{'|'.join(_KINDS)})-({_NAME})")

    def collections(self, generation: str) -> dict[str, str]:
        """Return the names of a generation's collections `videos` and `passages`."""
        return {kind: f"{self._settings.collection}-{kind}-{generation}" for kind in _KINDS}

    async def pointers(self) -> tuple[str | None, str | None]:
        """Read the names of the live generation and of the previous one."""
        return self._named_by(await self._connection.call(_aliases))

    async def manifest(self, generation: str) -> Manifest:
        """Read a generation's manifest. Raises UnreadableVersionError if it has none that can be read."""
        collection = self.collections(generation)[VIDEOS]
        info = await self._connection.call(lambda client: client.get_collection(collection))
        try:
            return msgspec.convert((info.config.metadata or {})[METADATA_KEY], Manifest, strict=False)
        except (KeyError, msgspec.ValidationError) as e:
            raise UnreadableVersionError(
                f"The metadata of the collection {collection} holds no readable manifest: {e}. "
                "Restore a snapshot, or delete its aliases and build the index again: "
                "python -m ingest sync SOURCE"
            ) from e

    async def write_manifest(self, generation: str, manifest: Manifest) -> None:
        """Replace a generation's manifest."""
        metadata = {METADATA_KEY: msgspec.to_builtins(manifest)}
        collection = self.collections(generation)[VIDEOS]
        await self._connection.call(lambda client: client.update_collection(collection, metadata=metadata))

    async def create(self, generation: str, dimension: int) -> None:
        """Create the two collections of a generation, for embeddings of this dimension."""
        for collection in self.collections(generation).values():

            async def create(client: AsyncQdrantClient, name: str = collection) -> None:
                # An earlier attempt may have succeeded although its response was lost.
                if not await client.collection_exists(name):
                    await client.create_collection(name, **collection_settings(self._settings, dimension))
                for field, schema in INDEXED_FIELDS.items():
                    await client.create_payload_index(name, field, schema, wait=True)

            await self._connection.call(create)

    async def switch(self, to: str) -> None:
        """Make a generation live and the live one the previous, in one step; delete the unreachable ones."""

        async def move(client: AsyncQdrantClient) -> str | None:
            # Read again on every attempt: an earlier one may have succeeded although its response was lost.
            aliases = await _aliases(client)
            live, previous = self._named_by(aliases)
            if live == to:
                return previous
            await client.update_collection_aliases(self._moves(aliases, live=to, previous=live))
            return live

        await self.delete_unreachable(to, await self._connection.call(move))

    async def delete_unreachable(self, live: str | None, previous: str | None) -> None:
        """Delete the generations without aliases: older ones, and those that killed runs left.

        If a deletion fails, a later run repeats it.
        """
        try:
            answer = await self._connection.call(lambda client: client.get_collections(), policy=CLEAN_UP)
            named = (self._own.fullmatch(collection.name) for collection in answer.collections)
            for generation in {match[1] for match in named if match} - {live, previous}:
                if live is None or generation < live or not await self._has_manifest(generation):
                    await self.delete(generation)
        except ServerError as e:
            _log.warning("Not all unused collections were deleted: %s", e)

    async def delete(self, generation: str) -> None:
        """Delete a generation's collections; if that fails, a later run repeats it."""
        for collection in self.collections(generation).values():
            try:
                gone = partial(AsyncQdrantClient.delete_collection, collection_name=collection)
                await self._connection.call(gone, policy=CLEAN_UP)
            except ServerError as e:
                _log.warning("The collection %s was not deleted: %s", collection, e)

    async def _has_manifest(self, generation: str) -> bool:
        """Whether a generation is live or was about to be.

        A generation that is newer than the live one and has a manifest may already be live on another node
        than the one that returned the aliases.
        """
        collection = self.collections(generation)[VIDEOS]
        exists = await self._connection.call(lambda client: client.collection_exists(collection))
        if not exists:
            return False
        info = await self._connection.call(lambda client: client.get_collection(collection))
        return METADATA_KEY in (info.config.metadata or {})

    def _named_by(self, aliases: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Return the names of the live and of the previous generation in these aliases."""
        live, previous = (
            self._own.fullmatch(aliases.get(alias, ""))
            for alias in (self._live_alias(VIDEOS), self._previous_alias(VIDEOS))
        )
        return live[1] if live else None, previous[1] if previous else None

    def _moves(
        self, aliases: Mapping[str, str], *, live: str, previous: str | None
    ) -> list[models.AliasOperations]:
        operations: list[Any] = []
        for kind in _KINDS:
            for alias, generation in (
                (self._live_alias(kind), live),
                (self._previous_alias(kind), previous),
            ):
                if alias in aliases:
                    gone = models.DeleteAlias(alias_name=alias)
                    operations.append(models.DeleteAliasOperation(delete_alias=gone))
                if generation:
                    new = models.CreateAlias(
                        collection_name=self.collections(generation)[kind], alias_name=alias
                    )
                    operations.append(models.CreateAliasOperation(create_alias=new))
        return operations

    def _live_alias(self, kind: str) -> str:
        return f"{self._settings.collection}-{kind}"

    def _previous_alias(self, kind: str) -> str:
        return f"{self._settings.collection}-{kind}-previous"


async def _aliases(client: AsyncQdrantClient) -> dict[str, str]:
    answer = await client.get_aliases()
    return {alias.alias_name: alias.collection_name for alias in answer.aliases}
