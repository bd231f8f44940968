"""Everything that the live version on a Qdrant server contains, read without the product's own code."""

from typing import Any

import msgspec
import numpy as np
from qdrant_client import QdrantClient

from retrieval.index.stored_records import PAIR, PASSAGES, VIDEOS
from tests.support.qdrant_server import QdrantServer

_MANY = 10_000

Points = dict[str, dict[str, Any]]


class ServerContents(msgspec.Struct):
    """Payloads by point id, without null values and with the vectors, rounded."""

    videos: Points
    passages: Points

    @property
    def video_ids(self) -> set[str]:
        return {payload["video_id"] for payload in self.videos.values()}

    def said(self, video_id: str) -> list[str | None]:
        """Return the texts of a video's passages, sorted."""
        own = [payload for payload in self.passages.values() if payload["video_id"] == video_id]
        return sorted((payload.get("text") for payload in own), key=str)


def server_contents(server: QdrantServer, prefix: str) -> ServerContents:
    """Read the collections that the live aliases point to."""
    with server.lock:
        return ServerContents(*(_points(server.client, f"{prefix}-{kind}") for kind in (VIDEOS, PASSAGES)))


def collections_of(server: QdrantServer, prefix: str) -> set[str]:
    """Return the names of the collections with this prefix, except the log of runs."""
    with server.lock:
        names = [collection.name for collection in server.client.get_collections().collections]
    return {name for name in names if name.startswith(prefix) and not name.endswith("-runs")}


def let_lock_expire(server: QdrantServer, prefix: str) -> None:
    """Delete the lock of a run that was killed or lost the server, instead of waiting 10 minutes."""
    with server.lock:
        server.client.delete_collection(f"{prefix}-lock")


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
