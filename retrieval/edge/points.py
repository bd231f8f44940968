"""What an embedded index stores, in the engine's own types: its shards, points and filters."""

import uuid
from collections.abc import Collection, Iterable, Iterator
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
    FieldCondition,
    Filter,
    HnswIndexConfig,
    MatchAny,
    MatchValue,
    Memory,
    Modifier,
    PayloadSchemaType,
    PayloadSelector,
    Point,
    RangeDateTime,
    Record,
    ScoredPoint,
    ScrollRequest,
    UpdateOperation,
)
from qdrant_edge import SparseVector as EdgeSparseVector

from retrieval.index.reading import SearchFilter
from retrieval.index.records import (
    FULL_SCAN_KILOBYTES,
    GRAPH_BUILD_WIDTH,
    GRAPH_LINKS,
    INSTANT_FIELDS,
    KEYWORD_FIELDS,
    PAIR,
    WORDS,
    exact_conditions,
    instant,
    passage_payload,
    passage_point_id,
    video_payload,
    video_point_id,
)
from retrieval.index.whole_videos import StoredPoint
from retrieval.index.writing import EmbeddedVideo
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

    Without a write-ahead log: a version is built where nobody reads it and thrown away if the build stops,
    so `flush` at its end is all the durability it needs, and several processes may read it once it is live.
    """
    folder.mkdir(parents=True)
    shard = EdgeShard.create(
        str(folder),
        EdgeConfig(
            # Cold: read from the page cache as needed. Otherwise loading reads the whole file, and a small
            # index's file is 32 MB of mostly nothing. Words too: a query reads the lists of its own few
            # words, and those of 100,000 passages would be 36 MB of private memory.
            vectors={
                PAIR: EdgeVectorParams(size=2 * dimension, distance=Distance.Manhattan, memory=Memory.Cold)
            },
            sparse_vectors={WORDS: EdgeSparseVectorParams(modifier=Modifier.Idf, memory=Memory.Cold)},
            hnsw_config=_GRAPH,
            optimizers=EdgeOptimizersConfig(default_segment_number=1),
            wal_enabled=False,
            # A search is too short to share out: waking a second thread costs more than it saves.
            max_search_threads=1,
        ),
    )
    for field, kind in _INDEXED_FIELDS.items():
        shard.update(UpdateOperation.create_field_index(field, kind))
    return shard


def video_point(video: EmbeddedVideo) -> Point:
    """Make a video's point."""
    return Point(
        id=video_point_id(video.record.video_id),
        vector={PAIR: video.vector.tolist(), WORDS: edge_words(video.words)},
        payload=video_payload(video.record, video.stored),
    )


def passage_points(video: EmbeddedVideo) -> Iterator[Point]:
    """Make the points of all a video's passages."""
    for ordinal, passage in enumerate(video.passages):
        yield Point(
            id=passage_point_id(video.record.video_id, ordinal),
            vector={PAIR: passage.vector.tolist(), WORDS: edge_words(passage.words)},
            payload=passage_payload(video.record, passage),
        )


def edge_words(words: SparseVector) -> EdgeSparseVector:
    """Turn word weights into the engine's own type."""
    return EdgeSparseVector(indices=list(words.indices), values=list(words.values))


def payload_of(point: Record | ScoredPoint) -> dict[str, Any]:
    """Take a point's payload, which every point of ours has."""
    return point.payload or {}


def id_of(point: Record | ScoredPoint) -> uuid.UUID:
    """Take a point's id, which is a UUID in every shard of ours."""
    return cast("uuid.UUID", point.id)


def every_point(shard: EdgeShard, *, with_payload: bool | PayloadSelector) -> Iterator[Record]:
    """Read all points of a shard, a page at a time, without their vectors."""
    following = None
    while True:
        points, following = shard.scroll(
            ScrollRequest(offset=following, limit=_PAGE, with_payload=with_payload)
        )
        yield from points
        if following is None:
            return


def every_stored_point(shard: EdgeShard) -> Iterator[StoredPoint]:
    """Read all points of a shard with all that they hold, in the order of their ids, a page at a time."""
    following = None
    while True:
        points, following = shard.scroll(
            ScrollRequest(offset=following, limit=_PAGE, with_payload=True, with_vector=True)
        )
        yield from map(_stored_point, points)
        if following is None:
            return


def _stored_point(point: Record) -> StoredPoint:
    vectors = cast("dict[str, Any]", point.vector)
    words = vectors[WORDS]
    return StoredPoint(
        id_of(point),
        payload_of(point),
        np.asarray(vectors[PAIR], np.float32),
        SparseVector(tuple(words.indices), tuple(words.values)),
    )


def edge_filter(
    where: SearchFilter, conditions: Iterable[Any] = (), *, without: Collection[str] = ()
) -> Filter | None:
    """Turn a filter into the engine's own type; None where it lets everything through.

    `conditions` must hold besides, and points of the videos `without` do not count.
    """
    must = list(conditions)
    for field, value in exact_conditions(where):
        must.append(FieldCondition(key=field, match=MatchValue(value)))
    if where.published_after or where.published_before:
        must.append(
            FieldCondition(
                key="published_at",
                range=RangeDateTime(
                    gte=instant(where.published_after) if where.published_after else None,
                    lt=instant(where.published_before) if where.published_before else None,
                ),
            )
        )
    must_not: list[Any] = [FieldCondition(key="video_id", match=MatchAny(list(without)))] if without else []
    return Filter(must=must, must_not=must_not) if must or must_not else None
