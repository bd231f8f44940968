"""What an embedded index stores: the two shards' configurations, their points, ids and payload fields."""

import uuid
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
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

from retrieval.index import EmbeddedVideo, SearchFilter, SparseVector, StoredVideo
from retrieval.video import VideoRecord

PAIR = "pair"
WORDS = "words"

VIDEOS = "videos"
PASSAGES = "passages"

_ID_SPACE = uuid.UUID("5c8e3a52-8b0e-5d5c-9a53-6f1d0b9c7a11")

_PAGE = 1000

_GRAPH = HnswIndexConfig(m=24, ef_construct=200, full_scan_threshold=10_000)

_INDEXED_FIELDS = {
    "video_id": PayloadSchemaType.Keyword,
    "channel": PayloadSchemaType.Keyword,
    "language": PayloadSchemaType.Keyword,
    "published_at": PayloadSchemaType.Datetime,
}


def video_point_id(video_id: str) -> str:
    """Name a video's point: the same id in every run."""
    return str(uuid.uuid5(_ID_SPACE, video_id))


def passage_point_id(video_id: str, ordinal: int) -> str:
    """Name a passage's point: the same id in every run.

    Its first half is its video's, so that a search knows whose a passage is without reading any payload.
    """
    owner = uuid.uuid5(_ID_SPACE, video_id).bytes[:8]
    passage = uuid.uuid5(_ID_SPACE, f"{video_id}\0{ordinal}").bytes[8:]
    return str(uuid.UUID(bytes=owner + passage))


def owner_key(point: uuid.UUID) -> int:
    """Take the half of a point's id that a video and its passages share: 60 bits of a hash."""
    return point.int >> 64


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
            # index's file is 32 MB of mostly nothing.
            vectors={
                PAIR: EdgeVectorParams(size=2 * dimension, distance=Distance.Manhattan, memory=Memory.Cold)
            },
            sparse_vectors={WORDS: EdgeSparseVectorParams(modifier=Modifier.Idf)},
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
    fields = filter_fields(video.record)
    for ordinal, passage in enumerate(video.passages):
        yield Point(
            id=passage_point_id(video.record.video_id, ordinal),
            vector={PAIR: passage.vector.tolist(), WORDS: edge_words(passage.words)},
            payload={**fields, "text": passage.text, "start": passage.start, "end": passage.end},
        )


def edge_words(words: SparseVector) -> EdgeSparseVector:
    """Turn word weights into the engine's own type."""
    return EdgeSparseVector(indices=list(words.indices), values=list(words.values))


def video_payload(record: VideoRecord, stored: StoredVideo) -> dict[str, Any]:
    """Turn a record into a video point's payload."""
    return {**msgspec.to_builtins(record), **filter_fields(record), **msgspec.to_builtins(stored)}


def filter_fields(record: VideoRecord) -> dict[str, Any]:
    """Say what every point of a video carries, so that a search can be narrowed."""
    return {
        "video_id": record.video_id,
        "channel": record.channel,
        "language": record.language,
        "published_at": _instant(record.published_at) if record.published_at else None,
    }


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


def record_of(payload: dict[str, Any]) -> VideoRecord:
    """Turn a video point's payload back into its record."""
    return msgspec.convert(payload, VideoRecord, strict=False)


def stored_of(payload: dict[str, Any]) -> StoredVideo:
    """Turn a video point's payload back into its hashes."""
    return msgspec.convert(payload, StoredVideo)


def edge_filter(
    where: SearchFilter, conditions: Iterable[Any] = (), *, without: Collection[str] = ()
) -> Filter | None:
    """Turn a filter into the engine's own type; None where it lets everything through.

    `conditions` must hold besides, and points of the videos `without` do not count.
    """
    must = list(conditions)
    for field, value in (("channel", where.channel), ("language", where.language)):
        if value is not None:
            must.append(FieldCondition(key=field, match=MatchValue(value)))
    if where.published_after or where.published_before:
        must.append(
            FieldCondition(
                key="published_at",
                range=RangeDateTime(
                    gte=_instant(where.published_after) if where.published_after else None,
                    lt=_instant(where.published_before) if where.published_before else None,
                ),
            )
        )
    must_not: list[Any] = [FieldCondition(key="video_id", match=MatchAny(list(without)))] if without else []
    return Filter(must=must, must_not=must_not) if must or must_not else None


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
