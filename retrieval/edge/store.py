"""The embedded engine's versions: each a folder of its own, built beside the live one."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run, read_runs, write_runs
from retrieval.durable_files import file_lock
from retrieval.edge.generations import Generations
from retrieval.edge.held_version import EdgeVersion, edge_file_format, held_version
from retrieval.edge.index import EdgeIndex
from retrieval.edge.writer import EdgeWriter, read_stored
from retrieval.errors import IndexUnavailableError
from retrieval.index.file_parts import FilePart, write_parts
from retrieval.index.writing import StoredVideo


class EdgeBuild:
    """An IndexBuild in a folder that nobody reads yet."""

    if_refused = "It was thrown away and the live index is as it was."

    def __init__(self, generations: Generations, writer: EdgeWriter) -> None:
        """Build what `writer` writes."""
        self.writer = writer
        self.version = writer.folder.name
        self._generations = generations

    async def open(self, manifest: Manifest) -> EdgeIndex:
        """Open what the writer finished, to verify it."""
        return EdgeIndex(self.writer.folder, manifest)

    async def publish(self, manifest: Manifest) -> None:
        """Move the folder among the finished ones and make it the live version."""
        self._generations.publish(self.writer.folder, manifest)


class EdgeStore:
    """An IndexStore of generations."""

    def __init__(self, generations: Generations) -> None:
        """Keep versions where `generations` says."""
        self._generations = generations

    @property
    def place(self) -> str:
        """Name the folder."""
        return str(self._generations.index_dir)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep every other run away from this folder until the block ends; clear up after those before."""
        with file_lock(self._generations.index_dir):
            # Here and not only where a version is built: a run may find that there is nothing to do.
            self._generations.discard_unused()
            yield

    async def live(self) -> Manifest | None:
        """Read the live version's manifest; None before the first publish."""
        pointer = self._generations.pointer()
        return self._generations.manifest(pointer.live) if pointer else None

    async def previous(self) -> Manifest | None:
        """Read the manifest of the version that a roll back would make live; None where there is none."""
        pointer = self._generations.pointer()
        if pointer is None or pointer.previous is None:
            return None
        return self._generations.manifest(pointer.previous)

    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Say what the live version holds, by video id; nothing before the first publish."""
        pointer = self._generations.pointer()
        return read_stored(self._generations.folder(pointer.live)) if pointer else {}

    @property
    def file_format(self) -> str | None:
        """Name what wrote the files of a version."""
        return edge_file_format()

    @asynccontextmanager
    async def hold_live(self, *, scratch: Path) -> AsyncIterator[EdgeVersion]:
        """Read the live version, which no run changes, and keep its files while runs go on."""
        pointer = self._generations.pointer()
        if pointer is None:
            raise IndexUnavailableError(f"There is no index in {self.place}.")
        with held_version(
            self._generations.folder(pointer.live), self._generations.manifest(pointer.live), scratch
        ) as held:
            yield held

    @asynccontextmanager
    async def build(
        self, *, dimension: int, keep_live: bool, files: Iterable[FilePart] = ()
    ) -> AsyncIterator[EdgeBuild]:
        """Start a version, in an empty folder, in a copy of the live one's, or of files of another's."""
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
            # Nothing, once it is published. Whatever stopped the run, a kill by the keyboard too, the live
            # version was never touched.
            self._generations.discard_unfinished()

    async def roll_back(self) -> Manifest:
        """Make the previous version live again, and the live one the previous."""
        return self._generations.manifest(self._generations.roll_back().live)

    async def runs(self) -> Sequence[Run]:
        """Read the log of runs, the last one first."""
        return read_runs(self._generations.index_dir)

    async def write_runs(self, runs: Sequence[Run]) -> None:
        """Replace the log of runs."""
        write_runs(self._generations.index_dir, runs)
