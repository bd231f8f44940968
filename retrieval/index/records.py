"""What an index stores, whatever the engine: two collections, their points' ids and their payload fields."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from retrieval.catalogue.video import VideoRecord
from retrieval.errors import CursorError
from retrieval.index.reading import Label, SearchFilter, VideoHit
from retrieval.index.writing import EmbeddedPassage, StoredVideo

VIDEOS = "videos"
PASSAGES = "passages"

PAIR = "pair"
"""The dense vector of a point: `[title ; text]`, compared by Manhattan distance."""

WORDS = "words"
"""The sparse vector of a point: BM25 weights; the engine multiplies in the inverse document frequency."""

KEYWORD_FIELDS = ("video_id", "channel", "language")
INSTANT_FIELDS = ("published_at",)
COUNT_FIELDS = ("passages",)
"""The payload fields that are indexed, because points are chosen by them; the last is of videos alone.

A server may be set up to refuse to choose by any other.
"""

GRAPH_LINKS = 24
GRAPH_BUILD_WIDTH = 200
GRAPH_SEARCH_WIDTH = 512
"""HNSW's m, ef_construct and ef. This wide a search finds 0.989 of the ten nearest among 72,000 passages of
talks, where a width of 192 finds 0.947."""

FULL_SCAN_KILOBYTES = 10_000
"""Below this size of vectors, which is about 3,300 of them, every one is compared: exact, and as fast."""

TIES = 16
"""How many videos beyond the limit are read, so that those at one distance are cut by video id."""

MOMENT_FIELDS = ["text", "start", "end"]

_ID_SPACE = uuid.UUID("5c8e3a52-8b0e-5d5c-9a53-6f1d0b9c7a11")


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


def video_payload(record: VideoRecord, stored: StoredVideo) -> dict[str, Any]:
    """Turn a record into a video point's payload."""
    return {**msgspec.to_builtins(record), **filter_fields(record), **msgspec.to_builtins(stored)}


def shown_payload(record: VideoRecord, stored: StoredVideo) -> dict[str, Any]:
    """Turn a record into the part of the payload that changes where only what is shown does."""
    shown = video_payload(record, stored)
    del shown["passages"]  # The passages stay, and so does their number.
    return shown


def passage_payload(record: VideoRecord, passage: EmbeddedPassage) -> dict[str, Any]:
    """Turn a passage into its point's payload."""
    return {
        **filter_fields(record),
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
    }


def filter_fields(record: VideoRecord) -> dict[str, Any]:
    """Say what every point of a video carries, so that a search can be narrowed."""
    return {
        "video_id": record.video_id,
        "channel": record.channel,
        "language": record.language,
        "published_at": instant(record.published_at) if record.published_at else None,
    }


def exact_conditions(where: SearchFilter) -> list[tuple[str, str]]:
    """List the fields that a filter asks to be equal to something, with what."""
    fields = (("channel", where.channel), ("language", where.language))
    return [(field, value) for field, value in fields if value is not None]


def in_order(hits: Iterable[tuple[str, float]]) -> list[VideoHit]:
    """Sort videos and their distances, nearest first, ties by video id."""
    return sorted((VideoHit(*hit) for hit in hits), key=lambda hit: (hit.distance, hit.video_id))


def most_frequent(counts: Iterable[tuple[object, int]]) -> list[Label]:
    """Sort the values of a keyword and their numbers of videos, the most frequent first, ties by the value.

    The engines cut their answers in this same order. Counting exactly, they also name values that only
    removed points had; those are left out.
    """
    labels = (Label(str(value), videos) for value, videos in counts if videos)
    return sorted(labels, key=lambda label: (-label.videos, label.value))


def page_start(cursor: str | None) -> uuid.UUID | None:
    """Say at which point a page of the catalogue starts. Raises CursorError for what no page returned."""
    try:
        return uuid.UUID(hex=cursor) if cursor else None
    except ValueError as e:
        raise CursorError("The cursor is not one that a page of this catalogue returned.") from e


def record_of(payload: dict[str, Any]) -> VideoRecord:
    """Turn a video point's payload back into its record."""
    return msgspec.convert(payload, VideoRecord, strict=False)


def stored_of(payload: dict[str, Any]) -> StoredVideo:
    """Turn a video point's payload back into its hashes."""
    return msgspec.convert(payload, StoredVideo, strict=False)


def instant(moment: datetime) -> str:
    """Write a moment as both engines read it."""
    return moment.astimezone(UTC).isoformat()
