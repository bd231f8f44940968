"""The versions of an index on a Qdrant server.

An ordinary run writes into the live generation, so it cannot be rolled back. The manifest gets a new version
id when such a run begins and another when it ends, so that no cache keeps earlier results. A run whose points
cannot share a collection with the existing ones (another model, dimension or schema, or a catalogue that
replaces the sample) builds a new generation next to the live one and then switches the aliases.

Besides the generations there are two collections without points: PREFIX-lock, whose metadata names the run at
work, and PREFIX-runs, whose metadata is the log of runs.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from qdrant_client import AsyncQdrantClient
from typing_extensions import override

from retrieval.catalogue.manifest import Manifest, new_version_name
from retrieval.catalogue.runs import Run
from retrieval.errors import IndexUnavailableError, UnreadableLogError
from retrieval.index.file_parts import FilePart
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexBuild, IndexStore, VersionExport
from retrieval.index.stored_records import PASSAGES, VIDEOS
from retrieval.index.whole_videos import StoredPoint, whole_videos
from retrieval.index.writing import EmbeddedVideo, StoredVideo
from retrieval.qdrant.connection import CLEAN_UP, METADATA_KEY, QdrantConnection
from retrieval.qdrant.driver import QdrantDriver
from retrieval.qdrant.generations import ServerGenerations
from retrieval.qdrant.lock import server_lock
from retrieval.qdrant.stored_records import every_point, stored_point
from retrieval.qdrant.writer import QdrantWriter
from retrieval.settings import QdrantSettings

_POINTS_PER_CALL = 256
"""About 4 MB as JSON."""


class QdrantBuild(IndexBuild):
    """An IndexBuild: a new generation that is not read yet, or the live one, written in place."""

    def __init__(self, store: "QdrantStore", generation: str, *, is_live: bool) -> None:
        self.generation = generation
        self.version = new_version_name() if is_live else generation
        self.writer = QdrantWriter(store.connection, store.generations.collections(generation))
        self.may_be_live = is_live
        self.if_refused = (
            "The data that was written is in the live index, and the same run continues from there."
            if is_live
            else "It was deleted and the live index is unchanged."
        )
        self._store = store
        self._is_live = is_live

    @override
    async def open(self, manifest: Manifest) -> VideoIndex:
        return self._store.open(self.generation, manifest)

    @override
    async def publish(self, manifest: Manifest) -> None:
        """Store the manifest and, for a new generation, move the aliases to it; the previous one is kept."""
        await self._store.generations.write_manifest(self.generation, manifest)
        if not self._is_live:
            self.may_be_live = True
            await self._store.generations.switch(self.generation)


class QdrantExport(VersionExport):
    """A VersionExport of one generation; its creator keeps runs away."""

    def __init__(
        self, connection: QdrantConnection, collections: Mapping[str, str], manifest: Manifest
    ) -> None:
        """Read the collections `videos` and `passages` under their names on the server."""
        self.manifest = manifest
        self._connection = connection
        self._collections = collections

    @override
    def videos(self) -> AsyncIterator[EmbeddedVideo]:
        return whole_videos(self._points(VIDEOS), self._points(PASSAGES))

    @override
    def files(self) -> Iterator[FilePart]:
        return iter(())

    async def _points(self, kind: str) -> AsyncIterator[StoredPoint]:
        points = every_point(
            self._connection,
            self._collections[kind],
            limit=_POINTS_PER_CALL,
            with_payload=True,
            with_vectors=True,
        )
        async for point in points:
            yield stored_point(point)


class QdrantStore(IndexStore):
    """An IndexStore on a server."""

    def __init__(self, connection: QdrantConnection, settings: QdrantSettings) -> None:
        self.connection = connection
        self.generations = ServerGenerations(connection, settings)
        self._settings = settings
        self._runs_collection = f"{settings.collection}-runs"

    @property
    @override
    def place(self) -> str:
        return f"{self.connection.place}, collections {self._settings.collection}-*"

    @property
    @override
    def file_format(self) -> str | None:
        return None

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep every other run, on any machine, away from these collections until the block ends."""
        name = f"{self._settings.collection}-lock"
        async with server_lock(self.connection, name, replicas=self._settings.replicas):
            yield

    @override
    async def live(self) -> Manifest | None:
        generation, _ = await self.generations.pointers()
        return await self.generations.manifest(generation) if generation else None

    @override
    async def previous(self) -> Manifest | None:
        _, previous = await self.generations.pointers()
        return await self.generations.manifest(previous) if previous else None

    async def open_live(self) -> VideoIndex:
        """Open the live version. Raises IndexUnavailableError if there is none."""
        generation = await self._live_generation()
        return self.open(generation, await self.generations.manifest(generation))

    def open(self, generation: str, manifest: Manifest) -> VideoIndex:
        """Open a generation as the version that the manifest describes."""
        return VideoIndex(QdrantDriver(self.connection, self.generations.collections(generation)), manifest)

    @override
    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        generation, _ = await self.generations.pointers()
        if generation is None:
            return {}
        return await QdrantWriter(self.connection, self.generations.collections(generation)).stored_videos()

    @override
    @asynccontextmanager
    async def export_live(self, *, scratch: Path) -> AsyncIterator[QdrantExport]:
        """Read the live version, and keep runs away meanwhile: they would write into it."""
        async with self.exclusive():
            generation = await self._live_generation()
            manifest = await self.generations.manifest(generation)
            yield QdrantExport(self.connection, self.generations.collections(generation), manifest)

    @override
    @asynccontextmanager
    async def build(
        self, *, dimension: int, keep_live: bool, files: Iterable[FilePart] = ()
    ) -> AsyncIterator[QdrantBuild]:
        """Start a version, in new collections or in the live ones."""
        if any(True for _ in files):
            raise IndexUnavailableError(f"{self.place} takes points, and no files of an engine.")
        live, previous = await self.generations.pointers()
        await self.generations.delete_unreachable(live, previous)
        if keep_live and live:
            begun = msgspec.structs.replace(
                await self.generations.manifest(live), index_version=new_version_name(), is_partial=True
            )
            await self.generations.write_manifest(live, begun)
            yield QdrantBuild(self, live, is_live=True)
            return
        generation = new_version_name()
        build = None
        try:
            await self.generations.create(generation, dimension)
            build = QdrantBuild(self, generation, is_live=False)
            yield build
        finally:
            # Once the aliases may have moved, nothing is deleted, whatever failed: the next run checks.
            if build is None or not build.may_be_live:
                await self.generations.delete(generation)

    @override
    async def roll_back(self) -> Manifest:
        live, previous = await self.generations.pointers()
        if live is None or previous is None:
            raise IndexUnavailableError(f"There is no previous version in {self.place} to go back to.")
        manifest = await self.generations.manifest(previous)
        await self.generations.switch(previous)
        return manifest

    @override
    async def runs(self) -> Sequence[Run]:
        collection = self._runs_collection

        async def read(client: AsyncQdrantClient) -> tuple[Run, ...]:
            if not await client.collection_exists(collection):
                return ()
            metadata = (await client.get_collection(collection)).config.metadata or {}
            try:
                return msgspec.convert(metadata[METADATA_KEY], tuple[Run, ...], strict=False)
            except (KeyError, msgspec.ValidationError) as e:
                raise UnreadableLogError(
                    f"The metadata of the collection {collection} is not a log of runs: {e}"
                ) from e

        # A run must not wait long for its log.
        return await self.connection.call(read, policy=CLEAN_UP)

    @override
    async def write_runs(self, runs: Sequence[Run]) -> None:
        collection, replicas = self._runs_collection, self._settings.replicas
        metadata = {METADATA_KEY: [msgspec.to_builtins(run) for run in runs]}

        async def write(client: AsyncQdrantClient) -> None:
            if await client.collection_exists(collection):
                await client.update_collection(collection, metadata=metadata)
                return
            await client.create_collection(
                collection, vectors_config={}, shard_number=1, replication_factor=replicas, metadata=metadata
            )

        await self.connection.call(write, policy=CLEAN_UP)

    async def _live_generation(self) -> str:
        generation, _ = await self.generations.pointers()
        if generation is None:
            raise IndexUnavailableError(f"There is no index in {self.place}.")
        return generation
