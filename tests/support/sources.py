"""Index sources and encoders for tests, without a pointer, a model or threads."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from retrieval.errors import IndexUnavailableError
from retrieval.index.reading import VideoIndex
from retrieval.text.vectors import Embedding


class HeldIndex:
    """An IndexSource of one index that a test can swap. It counts its leases."""

    def __init__(self, index: VideoIndex | None) -> None:
        self.index = index
        self.leases = 0

    def lease(self) -> AbstractAsyncContextManager[VideoIndex]:
        if self.index is None:
            raise IndexUnavailableError("There is no index.")
        return self._hold(self.index)

    @asynccontextmanager
    async def _hold(self, index: VideoIndex) -> AsyncIterator[VideoIndex]:
        self.leases += 1
        try:
            yield index
        finally:
            self.leases -= 1


class VersionedIndex:
    """An index with another version id."""

    def __init__(self, index: VideoIndex, version: str) -> None:
        self._index = index
        self.manifest = msgspec.structs.replace(index.manifest, index_version=version)

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)


class TableEncoder:
    """A QueryEncoder that looks embeddings up, and records its calls."""

    def __init__(self, embeddings: Mapping[str, Embedding], *, default: Embedding) -> None:
        self._embeddings = embeddings
        self._default = default
        self.asked: list[str] = []

    async def encode_query(self, text: str) -> Embedding:
        self.asked.append(text)
        return self._embeddings.get(text, self._default)


class RaisingEncoder:
    """A QueryEncoder that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def encode_query(self, text: str) -> Embedding:  # noqa: ARG002
        raise self._error
