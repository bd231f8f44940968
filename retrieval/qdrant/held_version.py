"""A version on a Qdrant server that is read whole."""

from collections.abc import AsyncIterator, Iterator, Mapping

from retrieval.catalogue.manifest import Manifest
from retrieval.index.file_parts import FilePart
from retrieval.index.records import PASSAGES, VIDEOS
from retrieval.index.whole_videos import StoredPoint, whole_videos
from retrieval.index.writing import EmbeddedVideo
from retrieval.qdrant.connection import QdrantConnection
from retrieval.qdrant.points import stored_point

_POINTS_A_CALL = 256
"""About 4 MB as JSON."""


class QdrantVersion:
    """A HeldVersion of one generation; whoever made it keeps runs away."""

    def __init__(
        self, connection: QdrantConnection, collections: Mapping[str, str], manifest: Manifest
    ) -> None:
        """Read the collections of these names, by what they hold."""
        self.manifest = manifest
        self._connection = connection
        self._collections = collections

    def videos(self) -> AsyncIterator[EmbeddedVideo]:
        """Read every video with its passages, in the order of their points."""
        return whole_videos(self._points(VIDEOS), self._points(PASSAGES))

    def files(self) -> Iterator[FilePart]:
        """Read nothing: a server's files are its own."""
        return iter(())

    async def _points(self, kind: str) -> AsyncIterator[StoredPoint]:
        collection, following = self._collections[kind], None
        while True:
            points, following = await self._connection.call(
                lambda client, offset=following: client.scroll(  # type: ignore[misc]
                    collection, offset=offset, limit=_POINTS_A_CALL, with_payload=True, with_vectors=True
                )
            )
            for point in points:
                yield stored_point(point)
            if following is None:
                return
