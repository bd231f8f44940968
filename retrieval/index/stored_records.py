"""The stored records of an index, the same in both engines: collections, point ids and payload fields."""

import uuid
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from retrieval.catalogue.video import VideoRecord
from retrieval.index.writing import EmbeddedPassage, StoredVideo

VIDEOS: Final = "videos"
PASSAGES: Final = "passages"

PAIR = "pair"
"""The dense vector of a point: `[title ; text]`, compared by Manhattan distance."""

WORDS = "words"
"""The sparse vector of a point: BM25 weights, which the engine multiplies by inverse document frequency."""

KEYWORD_FIELDS = ("video_id", "channel", "language")
INSTANT_FIELDS = ("published_at",)
COUNT_FIELDS = ("passages",)
"""The payload fields that are indexed because filters use them; `passages` exists on videos only.

A server may be configured to refuse filters on fields that are not indexed.
"""

GRAPH_LINKS = 24
GRAPH_BUILD_WIDTH = 200
GRAPH_SEARCH_WIDTH = 512
"""HNSW's m, ef_construct and ef. With ef = 512, recall@10 among 72,000 passages of talks is 0.989; with 192
it is 0.947."""

FULL_SCAN_KILOBYTES = 10_000
"""Below this total size of vectors (about 3,300 vectors), every one is compared: exact, and as fast."""

MOMENT_FIELDS = ["text", "start", "end"]

_ID_SPACE = uuid.UUID("5c8e3a52-8b0e-5d5c-9a53-6f1d0b9c7a11")


def video_point_id(video_id: str) -> str:
    """Return the id of a video's point, the same in every run."""
    return str(uuid.uuid5(_ID_SPACE, video_id))


def passage_point_id(video_id: str, ordinal: int) -> str:
    """Return the id of a passage's point, the same in every run.

    Its first half is that of its video's point, so that a search can map a passage to its video without
    reading a payload.
    """
    owner = uuid.uuid5(_ID_SPACE, video_id).bytes[:8]
    passage = uuid.uuid5(_ID_SPACE, f"{video_id}\0{ordinal}").bytes[8:]
    return str(uuid.UUID(bytes=owner + passage))


def owner_key(point: uuid.UUID) -> int:
    """Return the half of a point's id that a video and its passages share: 60 bits of a hash."""
    return point.int >> 64


def video_payload(record: VideoRecord, stored: StoredVideo) -> dict[str, Any]:
    """Convert a record to the payload of its video's point."""
    return {**msgspec.to_builtins(record), **filter_fields(record), **msgspec.to_builtins(stored)}


def shown_payload(record: VideoRecord, stored: StoredVideo) -> dict[str, Any]:
    """Return the part of a video's payload that changes when only displayed fields change."""
    shown = video_payload(record, stored)
    del shown["passages"]  # The passages stay, so their count must too.
    return shown


def passage_payload(record: VideoRecord, passage: EmbeddedPassage) -> dict[str, Any]:
    """Convert a passage to the payload of its point."""
    return {
        **filter_fields(record),
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
    }


def filter_fields(record: VideoRecord) -> dict[str, Any]:
    """Return the fields by which searches filter, which every point of a video carries."""
    return {
        "video_id": record.video_id,
        "channel": record.channel,
        "language": record.language,
        "published_at": instant(record.published_at) if record.published_at else None,
    }


def record_of(payload: dict[str, Any]) -> VideoRecord:
    """Convert the payload of a video's point to its record."""
    return msgspec.convert(payload, VideoRecord, strict=False)


def stored_of(payload: dict[str, Any]) -> StoredVideo:
    """Convert the payload of a video's point to its stored hashes."""
    return msgspec.convert(payload, StoredVideo, strict=False)


def instant(moment: datetime) -> str:
    """Format a time as both engines read it."""
    return moment.astimezone(UTC).isoformat()
