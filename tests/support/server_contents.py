"""All that the live version on a Qdrant server holds, read past the product's own reading side."""

from typing import Any

import msgspec
import numpy as np
from qdrant_client import QdrantClient

from retrieval.index.records import PAIR, PASSAGES, VIDEOS
from tests.support.qdrant_server import QdrantServer

_MANY = 10_000

Points = dict[str, dict[str, Any]]


class ServerContents(msgspec.Struct):
    """Payloads, without what is null, by point id; vectors are among them, rounded."""

    videos: Points
    passages: Points

    @property
    def video_ids(self) -> set[str]:
        return {payload["video_id"] for payload in self.videos.values()}

    def said(self, video_id: str) -> list[str | None]:
        """What the passages of a video say, sorted."""
        own = [payload for payload in self.passages.values() if payload["video_id"] == video_id]
        return sorted((payload.get("text") for payload in own), key=str)


def server_contents(server: QdrantServer, prefix: str) -> ServerContents:
    """Read what the live aliases lead to."""
    client = QdrantClient(url=server.url, check_compatibility=False)
    try:
        return ServerContents(*(_points(client, f"{prefix}-{kind}") for kind in (VIDEOS, PASSAGES)))
    finally:
        client.close()


def collections_of(server: QdrantServer, prefix: str) -> set[str]:
    """Name the collections that begin so, but not the log of runs."""
    client = QdrantClient(url=server.url, check_compatibility=False)
    try:
        named = [collection.name for collection in client.get_collections().collections]
        return {name for name in named if name.startswith(prefix) and not name.endswith("-runs")}
    finally:
        client.close()


def _points(client: QdrantClient, collection: str) -> Points:
    points, following = client.scroll(collection, limit=_MANY, with_vectors=[PAIR])
    assert following is None
    return {
        str(point.id): {
            **{name: value for name, value in (point.payload or {}).items() if value is not None},
            PAIR: np.round(point.vector[PAIR], 5).tolist(),
        }
        for point in points
    }
