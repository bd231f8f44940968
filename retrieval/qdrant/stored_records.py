"""The stored records of an index on a server: its collections and points, in the client's types."""

import uuid
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, cast

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from retrieval.index.stored_records import (
    COUNT_FIELDS,
    FULL_SCAN_KILOBYTES,
    GRAPH_BUILD_WIDTH,
    GRAPH_LINKS,
    INSTANT_FIELDS,
    KEYWORD_FIELDS,
    PAIR,
    WORDS,
)
from retrieval.index.whole_videos import StoredPoint
from retrieval.qdrant.connection import QdrantConnection
from retrieval.settings import QdrantSettings
from retrieval.text.vectors import SparseVector

INDEXED_FIELDS = {
    **dict.fromkeys(KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD),
    **dict.fromkeys(INSTANT_FIELDS, models.PayloadSchemaType.DATETIME),
    **dict.fromkeys(COUNT_FIELDS, models.PayloadSchemaType.INTEGER),
}

INCOMPLETE = {"content_hash": ""}
"""Marks a video whose passages are being written: no text has this hash, so the next run writes it again."""


def collection_settings(settings: QdrantSettings, dimension: int) -> dict[str, Any]:
    """Return the settings of a collection for vectors of two embeddings of this dimension each."""
    return {
        "vectors_config": {PAIR: models.VectorParams(size=2 * dimension, distance=models.Distance.MANHATTAN)},
        "sparse_vectors_config": {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "hnsw_config": models.HnswConfigDiff(
            m=GRAPH_LINKS, ef_construct=GRAPH_BUILD_WIDTH, full_scan_threshold=FULL_SCAN_KILOBYTES
        ),
        "shard_number": settings.shards,
        "replication_factor": settings.replicas,
        "write_consistency_factor": settings.write_consistency,
    }


def server_point(point: StoredPoint, **marks: str) -> models.PointStruct:
    """Convert a point to the client's type; `marks` replace fields of its payload."""
    return models.PointStruct(
        id=str(point.point_id),
        vector={PAIR: point.vector.tolist(), WORDS: sparse(point.words)},
        payload=point.payload | marks,
    )


def sparse(words: SparseVector) -> models.SparseVector:
    """Convert word weights to the client's type."""
    return models.SparseVector(indices=list(words.indices), values=list(words.values))


def of_videos(video_ids: Iterable[str]) -> models.FieldCondition:
    """Match the points of these videos."""
    return models.FieldCondition(key="video_id", match=models.MatchAny(any=list(video_ids)))


def of_video(video_id: str) -> models.FieldCondition:
    """Match the points of one video."""
    return models.FieldCondition(key="video_id", match=models.MatchValue(value=video_id))


def payload_of(point: models.Record | models.ScoredPoint) -> dict[str, Any]:
    """Return a point's payload; every point in our collections has one."""
    return point.payload or {}


def id_of(point: models.Record | models.ScoredPoint) -> uuid.UUID:
    """Return a point's id, which is a UUID in all our collections."""
    return uuid.UUID(str(point.id))


async def every_point(
    connection: QdrantConnection, collection: str, *, limit: int, **contents: Any
) -> AsyncIterator[models.Record]:
    """Read all points of a collection in the order of their ids, `limit` at a time."""
    following = None
    while True:
        page = partial(
            AsyncQdrantClient.scroll, collection_name=collection, offset=following, limit=limit, **contents
        )
        points, following = await connection.call(page)
        for point in points:
            yield point
        if following is None:
            return


def stored_point(point: models.Record) -> StoredPoint:
    """Convert a point that was fetched with its payload and vectors."""
    vectors = cast("dict[str, Any]", point.vector)
    words = vectors.get(WORDS)
    return StoredPoint(
        id_of(point),
        payload_of(point),
        np.asarray(vectors[PAIR], np.float32),
        SparseVector(tuple(words.indices), tuple(words.values)) if words else SparseVector((), ()),
    )
