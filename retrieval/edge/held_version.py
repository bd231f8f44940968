"""An embedded version that is read whole, and stays readable whatever becomes of its folder meanwhile."""

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from qdrant_edge import EdgeShard

from retrieval.catalogue.manifest import Manifest
from retrieval.edge.errors import engine_errors
from retrieval.edge.points import every_stored_point
from retrieval.index.file_parts import FilePart, parts_of, write_parts
from retrieval.index.records import PASSAGES, VIDEOS
from retrieval.index.whole_videos import StoredPoint, whole_videos
from retrieval.index.writing import EmbeddedVideo


class EdgeVersion:
    """A HeldVersion: every file of it is open, so a run that deletes the folder takes nothing from it.

    The engine has a copy of its own: whatever it opens it opens for writing, and it replaces some of it.
    """

    def __init__(
        self, manifest: Manifest, files: Mapping[str, BinaryIO], shards: Mapping[str, EdgeShard]
    ) -> None:
        """Read these files, by their paths, and shards of the same, by what they hold."""
        self.manifest = manifest
        self._files = files
        self._shards = shards

    def videos(self) -> AsyncIterator[EmbeddedVideo]:
        """Read every video with its passages, in the order of their points."""
        return whole_videos(_points(self._shards[VIDEOS]), _points(self._shards[PASSAGES]))

    def files(self) -> Iterator[FilePart]:
        """Read the engine's own files."""
        return parts_of(self._files)


@contextmanager
def held_version(folder: Path, manifest: Manifest, scratch: Path) -> Iterator[EdgeVersion]:
    """Open a finished version until the block ends, and change nothing of it: it need only be readable.

    The folder `scratch` is made, takes as much as the version does, and is deleted at the end. Raises
    IndexUnavailableError where the engine cannot open it, and OSError.
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
        shards = {}
        for kind in (VIDEOS, PASSAGES):
            with engine_errors(f"The index in {folder} cannot be opened"):
                shards[kind] = EdgeShard.load(str(scratch / kind))
            stack.callback(shards[kind].close)
        yield EdgeVersion(manifest, files, shards)


def edge_file_format() -> str:
    """Name the engine and its version: only the same one is sure to read its files."""
    return f"qdrant-edge {version('qdrant-edge-py')}"


async def _points(shard: EdgeShard) -> AsyncIterator[StoredPoint]:
    with engine_errors("The index engine failed"):
        for point in every_stored_point(shard):
            yield point
