"""The versions of an index on a Qdrant server: generations behind aliases, manifests in metadata.

    PREFIX-videos, PREFIX-passages                      aliases of the live generation's two collections
    PREFIX-videos-previous, PREFIX-passages-previous    aliases of the generation that a roll back makes live
    PREFIX-videos-NAME, PREFIX-passages-NAME            a generation; its manifest is metadata of the first
    PREFIX-lock, PREFIX-runs                            who is at work, and the log of runs (metadata)

An ordinary run writes into the live generation, so there is nothing to roll back from it; the manifest gets
a new version when the run begins and another when it ends, so that nobody keeps answers from before. A run
whose points cannot share a collection with those there (another model, dimension or schema, or a catalogue
that replaces the sample) builds a generation beside, and one call moves all four aliases at once.
"""

import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from qdrant_client import AsyncQdrantClient, models

from retrieval.catalogue.manifest import Manifest, new_version_name
from retrieval.catalogue.runs import Run
from retrieval.errors import IndexUnavailableError, UnreadableVersionError
from retrieval.index.file_parts import FilePart
from retrieval.index.records import PASSAGES, VIDEOS
from retrieval.index.writing import StoredVideo
from retrieval.qdrant.connection import CLEAN_UP, METADATA_KEY, QdrantConnection, ServerError
from retrieval.qdrant.held_version import QdrantVersion
from retrieval.qdrant.index import QdrantIndex
from retrieval.qdrant.lock import server_lock
from retrieval.qdrant.points import INDEXED_FIELDS, collection_settings
from retrieval.qdrant.runs import read_server_runs, write_server_runs
from retrieval.qdrant.writer import QdrantWriter
from retrieval.settings import QdrantSettings

_log = logging.getLogger(__name__)

_KINDS = (VIDEOS, PASSAGES)
_GENERATION = r"\d{8}T\d{6}Z-[0-9a-f]{6}"


class QdrantBuild:
    """An IndexBuild: a generation that nobody reads yet, or the live one, written in place."""

    def __init__(self, store: "QdrantStore", generation: str, *, is_live: bool) -> None:
        """Build in the collections of a generation that is there already."""
        self.generation = generation
        self.version = new_version_name() if is_live else generation
        self.writer = QdrantWriter(store.connection, store.collections(generation))
        self.may_be_live = is_live
        self._store = store
        self._is_live = is_live

    @property
    def if_refused(self) -> str:
        """Say what becomes of it where it is not published."""
        if self._is_live:
            return "What was written is in the live index, and the same run again goes on from there."
        return "It was thrown away and the live index is as it was."

    async def open(self, manifest: Manifest) -> QdrantIndex:
        """Open what the writer wrote, to verify it."""
        return self._store.open(self.generation, manifest)

    async def publish(self, manifest: Manifest) -> None:
        """Store the manifest and, for a new generation, move the aliases to it; the one before is kept."""
        await self._store.write_manifest(self.generation, manifest)
        if not self._is_live:
            self.may_be_live = True
            await self._store.switch(self.generation)


class QdrantStore:
    """An IndexStore on a server."""

    def __init__(self, connection: QdrantConnection, settings: QdrantSettings) -> None:
        """Keep versions where `connection` leads, in collections as `settings` say."""
        self.connection = connection
        self._settings = settings
        prefix = re.escape(settings.collection)
        self._own = re.compile(rf"{prefix}-(?:{'|'.join(_KINDS)})-({_GENERATION})")

    @property
    def place(self) -> str:
        """Name the server and the collections."""
        return f"{self.connection.place}, collections {self._settings.collection}-*"

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep every other run, wherever it is, away from these collections until the block ends."""
        name = f"{self._settings.collection}-lock"
        async with server_lock(self.connection, name, replicas=self._settings.replicas):
            yield

    async def live(self) -> Manifest | None:
        """Read the live version's manifest; None before the first publish."""
        generation, _ = await self._pointers()
        return await self._manifest(generation) if generation else None

    async def previous(self) -> Manifest | None:
        """Read the manifest of the version that a roll back would make live; None where there is none."""
        _, previous = await self._pointers()
        return await self._manifest(previous) if previous else None

    async def open_live(self) -> QdrantIndex:
        """Open the live version. Raises IndexUnavailableError where there is none."""
        generation, _ = await self._pointers()
        if generation is None:
            raise IndexUnavailableError(f"There is no index in {self.place}.")
        return self.open(generation, await self._manifest(generation))

    def open(self, generation: str, manifest: Manifest) -> QdrantIndex:
        """Open a generation as what the manifest says it is."""
        return QdrantIndex(self.connection, self.collections(generation), manifest)

    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Say what the live version holds, by video id; nothing before the first publish."""
        generation, _ = await self._pointers()
        if generation is None:
            return {}
        return await QdrantWriter(self.connection, self.collections(generation)).stored_videos()

    @property
    def file_format(self) -> str | None:
        """Name nothing: a server's files are its own."""
        return None

    @asynccontextmanager
    async def hold_live(self, *, scratch: Path) -> AsyncIterator[QdrantVersion]:  # noqa: ARG002
        """Read the live version, and keep runs away meanwhile: they would write into it."""
        async with self.exclusive():
            generation, _ = await self._pointers()
            if generation is None:
                raise IndexUnavailableError(f"There is no index in {self.place}.")
            manifest = await self._manifest(generation)
            yield QdrantVersion(self.connection, self.collections(generation), manifest)

    @asynccontextmanager
    async def build(
        self, *, dimension: int, keep_live: bool, files: Iterable[FilePart] = ()
    ) -> AsyncIterator[QdrantBuild]:
        """Start a version, in new collections or in the live ones."""
        if any(True for _ in files):
            raise IndexUnavailableError(f"{self.place} takes points, and no files of an engine.")
        live, previous = await self._pointers()
        await self._delete_unreachable(live, previous)
        if keep_live and live:
            begun = msgspec.structs.replace(
                await self._manifest(live), index_version=new_version_name(), is_partial=True
            )
            await self.write_manifest(live, begun)
            yield QdrantBuild(self, live, is_live=True)
            return
        generation = new_version_name()
        build = None
        try:
            await self._create(generation, dimension)
            build = QdrantBuild(self, generation, is_live=False)
            yield build
        finally:
            # Once the aliases may have moved nothing is deleted, whatever failed: the next run knows.
            if build is None or not build.may_be_live:
                await self._delete(generation)

    async def roll_back(self) -> Manifest:
        """Make the previous generation live again, and the live one the previous."""
        live, previous = await self._pointers()
        if live is None or previous is None:
            raise IndexUnavailableError(f"There is no previous version in {self.place} to go back to.")
        manifest = await self._manifest(previous)
        await self.switch(previous)
        return manifest

    async def runs(self) -> Sequence[Run]:
        """Read the log of runs, the last one first."""
        return await read_server_runs(self.connection, self._runs_collection)

    async def write_runs(self, runs: Sequence[Run]) -> None:
        """Replace the log of runs."""
        await write_server_runs(
            self.connection, self._runs_collection, runs, replicas=self._settings.replicas
        )

    @property
    def _runs_collection(self) -> str:
        return f"{self._settings.collection}-runs"

    def collections(self, generation: str) -> dict[str, str]:
        """Name a generation's collections, by what they hold."""
        return {kind: f"{self._settings.collection}-{kind}-{generation}" for kind in _KINDS}

    async def write_manifest(self, generation: str, manifest: Manifest) -> None:
        """Store a generation's manifest in place of the one it had."""
        metadata = {METADATA_KEY: msgspec.to_builtins(manifest)}
        collection = self.collections(generation)[VIDEOS]
        await self.connection.call(lambda client: client.update_collection(collection, metadata=metadata))

    async def switch(self, to: str) -> None:
        """Move the live aliases to a generation and the previous ones to what was live, in one step."""

        async def move(client: AsyncQdrantClient) -> str | None:
            # Read anew at every try: the one before may have succeeded without our hearing of it.
            aliases = await self._aliases(client)
            live = self._generation_of(aliases, self._live_alias(VIDEOS))
            if live == to:
                return self._generation_of(aliases, self._previous_alias(VIDEOS))
            await client.update_collection_aliases(self._moves(aliases, live=to, previous=live))
            return live

        await self._delete_unreachable(to, await self.connection.call(move))

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

    async def _pointers(self) -> tuple[str | None, str | None]:
        """Say which generation is live and which was before it."""
        aliases = await self.connection.call(self._aliases)
        return (
            self._generation_of(aliases, self._live_alias(VIDEOS)),
            self._generation_of(aliases, self._previous_alias(VIDEOS)),
        )

    async def _aliases(self, client: AsyncQdrantClient) -> dict[str, str]:
        answer = await client.get_aliases()
        return {alias.alias_name: alias.collection_name for alias in answer.aliases}

    def _generation_of(self, aliases: Mapping[str, str], alias: str) -> str | None:
        named = self._own.fullmatch(aliases.get(alias, ""))
        return named[1] if named else None

    async def _manifest(self, generation: str) -> Manifest:
        collection = self.collections(generation)[VIDEOS]
        info = await self.connection.call(lambda client: client.get_collection(collection))
        try:
            return msgspec.convert((info.config.metadata or {})[METADATA_KEY], Manifest, strict=False)
        except (KeyError, msgspec.ValidationError) as e:
            raise UnreadableVersionError(
                f"The metadata of the collection {collection} holds no readable manifest: {e}. "
                "Restore a snapshot, or delete its aliases and build the index again: "
                "python -m ingest sync SOURCE"
            ) from e

    async def _create(self, generation: str, dimension: int) -> None:
        for collection in self.collections(generation).values():

            async def create(client: AsyncQdrantClient, name: str = collection) -> None:
                # An earlier try may have succeeded without our hearing of it.
                if not await client.collection_exists(name):
                    await client.create_collection(name, **collection_settings(self._settings, dimension))
                for field, schema in INDEXED_FIELDS.items():
                    await client.create_payload_index(name, field, schema, wait=True)

            await self.connection.call(create)

    async def _delete_unreachable(self, live: str | None, previous: str | None) -> None:
        """Delete the generations to which no alias leads: older ones, and what a killed run left.

        What cannot be deleted now is by a later run.
        """
        try:
            answer = await self.connection.call(lambda client: client.get_collections(), patience=CLEAN_UP)
            named = (self._own.fullmatch(collection.name) for collection in answer.collections)
            for generation in {match[1] for match in named if match} - {live, previous}:
                if live is None or generation < live or not await self._has_manifest(generation):
                    await self._delete(generation)
        except ServerError as e:
            _log.warning("Not all collections that are of no use any more were deleted: %s", e)

    async def _has_manifest(self, generation: str) -> bool:
        """Whether a generation is or was about to go live.

        One that is newer than the live one and has a manifest may be live already, on another node than the
        one that told us the aliases.
        """
        collection = self.collections(generation)[VIDEOS]
        exists = await self.connection.call(lambda client: client.collection_exists(collection))
        if not exists:
            return False
        info = await self.connection.call(lambda client: client.get_collection(collection))
        return METADATA_KEY in (info.config.metadata or {})

    async def _delete(self, generation: str) -> None:
        """Delete a generation's collections; one that stays is deleted by a later run."""
        for collection in self.collections(generation).values():
            try:
                await self.connection.call(partial(_delete_collection, name=collection), patience=CLEAN_UP)
            except ServerError as e:
                _log.warning("The collection %s was not deleted: %s", collection, e)


async def _delete_collection(client: AsyncQdrantClient, name: str) -> None:
    await client.delete_collection(name)
