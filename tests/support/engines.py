"""The engines that the contract tests run on, each through its own store."""

import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from qdrant_client import AsyncQdrantClient

from retrieval.catalogue.manifest import Manifest
from retrieval.edge.driver import EdgeDriver
from retrieval.edge.generations import Generations
from retrieval.edge.store import EdgeStore
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexStore
from retrieval.index.writing import EmbeddedVideo, IndexWriter
from retrieval.qdrant.connection import CallPolicy, QdrantConnection, connected
from retrieval.qdrant.store import QdrantStore
from retrieval.settings import QdrantSettings
from tests.support.embedded_videos import manifest_of
from tests.support.qdrant_server import QdrantServer

_UNHURRIED = CallPolicy(60.0)
_NO_PORT = 1
"""A port on which nothing listens."""


class Engine:
    """Builds versions of one index and opens the live one. Closing it closes every index it opened."""

    def __init__(self, store: IndexStore, open_live: Callable[[], Awaitable[VideoIndex]]) -> None:
        self.store = store
        self._open_live = open_live
        self._opened: list[VideoIndex] = []
        self._dimension = 0

    async def build(self, videos: Sequence[EmbeddedVideo], *, dimension: int = 2) -> VideoIndex:
        """Build a version of exactly these videos next to the live one, and open it."""
        self._dimension = dimension
        await self.publish(lambda writer: writer.write(videos), keep_live=False)
        return await self.open()

    async def change(self, change: Callable[[IndexWriter], Awaitable[None]]) -> VideoIndex:
        """Make a version by applying this change to the live one, and open it."""
        await self.publish(change, keep_live=True)
        return await self.open()

    async def publish(self, change: Callable[[IndexWriter], Awaitable[None]], *, keep_live: bool) -> Manifest:
        """Make a version by changing the live one, or an empty one, and make it live."""
        async with self.store.build(dimension=self._dimension, keep_live=keep_live) as build:
            await change(build.writer)
            await build.writer.finish()
            manifest = manifest_of((), version=build.version, dimension=self._dimension)
            await build.publish(manifest)
            return manifest

    async def open(self) -> VideoIndex:
        """Open the live version again."""
        index = await self._open_live()
        self._opened.append(index)
        return index

    async def close(self) -> None:
        for index in self._opened:
            await index.close()


NewEngine = Callable[[Path], AbstractAsyncContextManager[Engine]]


class EmbeddedEngine(Engine):
    """Qdrant Edge, with one folder per version."""

    def __init__(self, folder: Path) -> None:
        self._generations = Generations(folder)
        super().__init__(EdgeStore(self._generations), self._open_generation)

    async def _open_generation(self) -> VideoIndex:
        pointer = self._generations.pointer()
        assert pointer is not None
        driver = EdgeDriver(self._generations.folder(pointer.live))
        return VideoIndex(driver, self._generations.manifest(pointer.live))


@asynccontextmanager
async def embedded_engine(folder: Path) -> AsyncIterator[Engine]:
    engine = EmbeddedEngine(folder)
    yield engine
    await engine.close()


@asynccontextmanager
async def client_emulation(_: Path) -> AsyncIterator[Engine]:
    """The Qdrant client's own emulation of a server, in this process."""

    async def open_client() -> AsyncQdrantClient:
        return AsyncQdrantClient(":memory:")

    settings = QdrantSettings(url="http://emulated")
    connection = QdrantConnection(settings.url, open_client, _UNHURRIED)
    store = QdrantStore(connection, settings)
    with warnings.catch_warnings():
        # It compares every point instead of using an index, and warns about it.
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        warnings.filterwarnings("ignore", message="Local mode performs exact")
        yield Engine(store, store.open_live)
    await connection.close()


@asynccontextmanager
async def emulation_over_grpc(_: Path) -> AsyncIterator[Engine]:
    """The same emulation behind a socket, which checks what our calls send and receive."""
    with QdrantServer() as server:
        settings = QdrantSettings(url=server.url, grpc_port=server.grpc_port)
        async with connected(settings, _UNHURRIED) as connection:
            store = QdrantStore(connection, settings)
            yield Engine(store, store.open_live)


class RealServer(msgspec.Struct, frozen=True):
    """The address of a Qdrant server that tests may write to."""

    url: str
    grpc_port: int
    api_key: str | None = None


def real_server(server: RealServer, *, use_grpc: bool) -> NewEngine:
    """A real server. Each engine has its own collections, which are deleted at its end."""

    @asynccontextmanager
    async def engine(_: Path) -> AsyncIterator[Engine]:
        settings = QdrantSettings(
            url=server.url,
            api_key=server.api_key,
            grpc_port=server.grpc_port if use_grpc else _NO_PORT,
            collection=f"test-{uuid.uuid4().hex}",
        )
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(connected(settings, _UNHURRIED))
            store = QdrantStore(connection, settings)
            stack.push_async_callback(_delete_collections, connection, settings.collection)
            yield Engine(store, store.open_live)

    return engine


async def _delete_collections(connection: QdrantConnection, prefix: str) -> None:
    async def delete(client: AsyncQdrantClient) -> None:
        for collection in (await client.get_collections()).collections:
            if collection.name.startswith(prefix):
                await client.delete_collection(collection.name)

    await connection.call(delete)
