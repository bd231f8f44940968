"""The versions of the embedded engine: each in its own folder, built next to the live one."""

import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from qdrant_edge import EdgeShard
from typing_extensions import override

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run, read_runs, write_runs
from retrieval.durable_files import file_lock
from retrieval.edge.driver import EdgeDriver
from retrieval.edge.errors import engine_errors
from retrieval.edge.generations import Generations
from retrieval.edge.stored_records import every_stored_point
from retrieval.edge.writer import EdgeWriter, read_stored
from retrieval.errors import IndexUnavailableError
from retrieval.index.file_parts import FilePart, parts_of, write_parts
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexBuild, IndexStore, VersionExport
from retrieval.index.stored_records import PASSAGES, VIDEOS
from retrieval.index.whole_videos import StoredPoint, whole_videos
from retrieval.index.writing import EmbeddedVideo, StoredVideo


class EdgeBuild(IndexBuild):
    """An IndexBuild in a folder that no reader has open yet."""

    if_refused = "It was deleted and the live index is unchanged."

    def __init__(self, generations: Generations, writer: EdgeWriter) -> None:
        self.writer = writer
        self.version = writer.folder.name
        self._generations = generations

    @override
    async def open(self, manifest: Manifest) -> VideoIndex:
        return VideoIndex(EdgeDriver(self.writer.folder), manifest)

    @override
    async def publish(self, manifest: Manifest) -> None:
        """Move the folder to the finished ones and make it the live version."""
        self._generations.publish(self.writer.folder, manifest)


class EdgeExport(VersionExport):
    """A VersionExport with every file open, so that a run that deletes the folder takes nothing from it.

    The engine reads a copy: it opens every file for writing, and replaces some.
    """

    def __init__(
        self, manifest: Manifest, files: Mapping[str, BinaryIO], shards: Mapping[str, EdgeShard]
    ) -> None:
        """Read these files, by path, and the shards opened from a copy of them, by collection."""
        self.manifest = manifest
        self._files = files
        self._shards = shards

    @override
    def videos(self) -> AsyncIterator[EmbeddedVideo]:
        return whole_videos(_points(self._shards[VIDEOS]), _points(self._shards[PASSAGES]))

    @override
    def files(self) -> Iterator[FilePart]:
        return parts_of(self._files)


class EdgeStore(IndexStore):
    """An IndexStore of generations."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    @property
    @override
    def place(self) -> str:
        return str(self._generations.index_dir)

    @property
    @override
    def file_format(self) -> str | None:
        """The engine and its version: only the same version is certain to read its files."""
        return f"qdrant-edge {version('qdrant-edge-py')}"

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep every other run away from this folder until the block ends; delete what earlier runs left."""
        with file_lock(self._generations.index_dir):
            # Here and not only in `build`: a run may find that there is nothing to do.
            self._generations.discard_unused()
            yield

    @override
    async def live(self) -> Manifest | None:
        pointer = self._generations.pointer()
        return self._generations.manifest(pointer.live) if pointer else None

    @override
    async def previous(self) -> Manifest | None:
        pointer = self._generations.pointer()
        if pointer is None or pointer.previous is None:
            return None
        return self._generations.manifest(pointer.previous)

    @override
    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        pointer = self._generations.pointer()
        return read_stored(self._generations.folder(pointer.live)) if pointer else {}

    @override
    @asynccontextmanager
    async def export_live(self, *, scratch: Path) -> AsyncIterator[EdgeExport]:
        """Open the live version, which no run changes, and keep its files readable while runs go on."""
        pointer = self._generations.pointer()
        if pointer is None:
            raise IndexUnavailableError(f"There is no index in {self.place}.")
        folder, manifest = self._generations.folder(pointer.live), self._generations.manifest(pointer.live)
        with _opened_export(folder, manifest, scratch) as export:
            yield export

    @override
    @asynccontextmanager
    async def build(
        self, *, dimension: int, keep_live: bool, files: Iterable[FilePart] = ()
    ) -> AsyncIterator[EdgeBuild]:
        """Start a version in an empty folder, in a copy of the live one's, or from exported files."""
        try:
            pointer = self._generations.pointer() if keep_live else None
            folder = self._generations.start(copy_of=pointer.live if pointer else None)
            write_parts(folder, files)
            writer = EdgeWriter(folder, dimension=dimension)
            try:
                yield EdgeBuild(self._generations, writer)
            finally:
                await writer.close()
        finally:
            # After a publish there is nothing left to discard. Whatever stopped the run, Ctrl+C included, the
            # live version was never touched.
            self._generations.discard_unfinished()

    @override
    async def roll_back(self) -> Manifest:
        return self._generations.manifest(self._generations.roll_back().live)

    @override
    async def runs(self) -> Sequence[Run]:
        return read_runs(self._generations.index_dir)

    @override
    async def write_runs(self, runs: Sequence[Run]) -> None:
        write_runs(self._generations.index_dir, runs)


@contextmanager
def _opened_export(folder: Path, manifest: Manifest, scratch: Path) -> Iterator[EdgeExport]:
    """Open a finished version until the block ends, without changing it: read access is enough.

    The folder `scratch` is created, becomes as large as the version, and is deleted at the end. Raises
    IndexUnavailableError if the engine cannot open the copy, and OSError.
    """
    with ExitStack() as stack:
        files = {
            path.relative_to(folder).as_posix(): stack.enter_context(path.open("rb"))
            for kind in (VIDEOS, PASSAGES)
            for path in sorted((folder / kind).rglob("*"))
            if path.is_file()
        }
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        write_parts(scratch, parts_of(files))
        shards: dict[str, EdgeShard] = {}
        for kind in (VIDEOS, PASSAGES):
            with engine_errors(f"The index in {folder} cannot be opened"):
                shards[kind] = EdgeShard.load(str(scratch / kind))
            stack.callback(shards[kind].close)
        yield EdgeExport(manifest, files, shards)


async def _points(shard: EdgeShard) -> AsyncIterator[StoredPoint]:
    with engine_errors("The index engine failed"):
        for point in every_stored_point(shard):
            yield point
