"""The engines that the contract runs on."""

import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from retrieval.edge_index import EdgeIndex
from retrieval.edge_writer import EdgeWriter
from retrieval.index import EmbeddedVideo, IndexWriter, VideoIndex
from tests.support.embedded_videos import manifest_of


class Engine(Protocol):
    """Builds versions of one index, each from nothing or from the one before, and opens the last."""

    async def build(self, videos: Sequence[EmbeddedVideo], *, dimension: int = 2) -> VideoIndex:
        """Build a version of exactly these videos and open it."""

    async def change(self, change: Callable[[IndexWriter], Awaitable[None]]) -> VideoIndex:
        """Build a version that is the last one with this change, and open it."""

    async def open(self) -> VideoIndex:
        """Open the last finished version once more."""

    async def close(self) -> None:
        """Close every index that was opened, closed or not, and drop what was built."""


class EmbeddedEngine:
    """Qdrant Edge, a folder a version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0
        self._dimension = 0
        self._opened: list[EdgeIndex] = []

    async def build(self, videos: Sequence[EmbeddedVideo], *, dimension: int = 2) -> VideoIndex:
        self._dimension = dimension
        self._next().mkdir()
        return await self._finish(lambda writer: writer.write(videos))

    async def change(self, change: Callable[[IndexWriter], Awaitable[None]]) -> VideoIndex:
        before = self._version()
        shutil.copytree(before, self._next())
        return await self._finish(change)

    async def open(self) -> VideoIndex:
        index = EdgeIndex(self._version(), manifest_of((), dimension=self._dimension))
        self._opened.append(index)
        return index

    async def close(self) -> None:
        for index in self._opened:
            await index.close()

    async def _finish(self, change: Callable[[IndexWriter], Awaitable[None]]) -> VideoIndex:
        writer = EdgeWriter(self._version(), dimension=self._dimension)
        await change(writer)
        await writer.finish()
        return await self.open()

    def _next(self) -> Path:
        self._versions += 1
        return self._version()

    def _version(self) -> Path:
        return self._folder / f"v{self._versions}"
