"""The stored records of the embedded engine: its shards and points, in the engine's own types."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    HnswIndexConfig,
    Memory,
    Modifier,
    PayloadSchemaType,
    PayloadSelector,
    Point,
    Record,
    ScoredPoint,
    ScrollRequest,
    UpdateOperation,
)
from qdrant_edge import SparseVector as EdgeSparseVector

from retrieval.index.stored_records import (
    FULL_SCAN_KILOBYTES,
    GRAPH_BUILD_WIDTH,
    GRAPH_LINKS,
    INSTANT_FIELDS,
    KEYWORD_FIELDS,
    PAIR,
    WORDS,
)
from retrieval.index.whole_videos import StoredPoint
from retrieval.text.vectors import SparseVector

_PAGE = 1000

_GRAPH = HnswIndexConfig(
    m=GRAPH_LINKS, ef_construct=GRAPH_BUILD_WIDTH, full_scan_threshold=FULL_SCAN_KILOBYTES
)

_INDEXED_FIELDS = {
    **dict.fromkeys(KEYWORD_FIELDS, PayloadSchemaType.Keyword),
    **dict.fromkeys(INSTANT_FIELDS, PayloadSchemaType.Datetime),
}


def create_shard(folder: Path, dimension: int) -> EdgeShard:
    """Create an empty shard for vectors of two embeddings of this dimension each.

    It has no write-ahead log: a version is built unread and deleted if the build stops, so `flush` at the end
    is all the durability it needs, and several processes may read it once it is live.
    """
    folder.mkdir(parents=True)
    shard = EdgeShard.create(
        str(folder),
        EdgeConfig(
            # Cold: read from the page cache as needed. Otherwise loading reads the whole file, and the file
            # of a small index is 32 MB of mostly zeros. The same for words: a query reads the posting lists
            # of its few words, and the lists of 100,000 passages would take 36 MB of private memory.
            vectors={
                PAIR: EdgeVectorParams(size=2 * dimension, distance=Distance.Manhattan, memory=Memory.Cold)
            },
            sparse_vectors={WORDS: EdgeSparseVectorParams(modifier=Modifier.Idf, memory=Memory.Cold)},
            hnsw_config=_GRAPH,
            optimizers=EdgeOptimizersConfig(default_segment_number=1),
            wal_enabled=False,
            # A search is too short for two threads: waking the second one costs more than it saves.
            max_search_threads=1,
        ),
    )
    for field, kind in _INDEXED_FIELDS.items():
        shard.update(UpdateOperation.create_field_index(field, kind))
    return shard


def edge_point(point: StoredPoint) -> Point:
    """Convert a point to the engine's type."""
    vectors = {PAIR: point.vector.tolist(), WORDS: edge_words(point.words)}
    return Point(id=point.point_id, vector=vectors, payload=point.payload)


def edge_words(words: SparseVector) -> EdgeSparseVector:
    """Convert word weights to the engine's type."""
    return EdgeSparseVector(indices=list(words.indices), values=list(words.values))


def payload_of(point: Record | ScoredPoint) -> dict[str, Any]:
    """Return a point's payload; every point in our shards has one."""
    return point.payload or {}


def id_of(point: Record | ScoredPoint) -> uuid.UUID:
    """Return a point's id, which is a UUID in all our shards."""
    return cast("uuid.UUID", point.id)


def every_point(
    shard: EdgeShard, *, with_payload: bool | PayloadSelector, with_vector: bool = False
) -> Iterator[Record]:
    """Read all points of a shard in the order of their ids, page by page."""
    following = None
    while True:
        points, following = shard.scroll(
            ScrollRequest(offset=following, limit=_PAGE, with_payload=with_payload, with_vector=with_vector)
        )
        yield from points
        if following is None:
            return


def every_stored_point(shard: EdgeShard) -> Iterator[StoredPoint]:
    """Read all points of a shard with payloads and vectors, in the order of their ids, page by page."""
    return map(_stored_point, every_point(shard, with_payload=True, with_vector=True))


def _stored_point(point: Record) -> StoredPoint:
    vectors = cast("dict[str, Any]", point.vector)
    words = vectors[WORDS]
    return StoredPoint(
        id_of(point),
        payload_of(point),
        np.asarray(vectors[PAIR], np.float32),
        SparseVector(tuple(words.indices), tuple(words.values)),
    )
