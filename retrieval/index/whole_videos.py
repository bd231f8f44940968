"""A video as points of the two collections, the same in both engines; and reassembled from stored ones."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from retrieval.errors import IndexUnavailableError
from retrieval.index.stored_records import (
    owner_key,
    passage_payload,
    passage_point_id,
    record_of,
    stored_of,
    video_payload,
    video_point_id,
)
from retrieval.index.writing import EmbeddedPassage, EmbeddedVideo
from retrieval.text.vectors import PairVector, SparseVector


class StoredPoint(msgspec.Struct, frozen=True):
    """A point of either collection, with its payload and vectors."""

    point_id: UUID
    payload: dict[str, Any]
    vector: PairVector
    words: SparseVector


def video_point(video: EmbeddedVideo) -> StoredPoint:
    """Build a video's point."""
    point_id = UUID(video_point_id(video.record.video_id))
    return StoredPoint(point_id, video_payload(video.record, video.stored), video.vector, video.words)


def passage_points(video: EmbeddedVideo) -> Iterator[StoredPoint]:
    """Build the points of a video's passages."""
    for ordinal, passage in enumerate(video.passages):
        point_id = UUID(passage_point_id(video.record.video_id, ordinal))
        yield StoredPoint(point_id, passage_payload(video.record, passage), passage.vector, passage.words)


async def whole_videos(
    videos: AsyncIterator[StoredPoint], passages: AsyncIterator[StoredPoint]
) -> AsyncIterator[EmbeddedVideo]:
    """Join each video with its passages, with the passages of one video in memory at a time.

    Both iterators must be in ascending order of point ids, as the engines return them: the ids of a video and
    of its passages share their first half. Raises IndexUnavailableError if the collections do not match.
    """
    ahead = await anext(passages, None)
    async for video in videos:
        own = []
        while ahead is not None and owner_key(ahead.point_id) == owner_key(video.point_id):
            own.append(ahead)
            ahead = await anext(passages, None)
        yield _whole(video, own)
    if ahead is not None:
        raise IndexUnavailableError(
            f"The passage {ahead.point_id} belongs to no video in the index. Build the index again: "
            "python -m ingest sync SOURCE --prune"
        )


def _whole(video: StoredPoint, passages: Sequence[StoredPoint]) -> EmbeddedVideo:
    try:
        record, stored = record_of(video.payload), stored_of(video.payload)
    except msgspec.ValidationError as e:
        raise IndexUnavailableError(
            f"The video of the point {video.point_id} cannot be read: {e}. Build the index again: python -m "
            "ingest sync SOURCE --prune"
        ) from e
    found = {passage.point_id: passage for passage in passages}
    try:
        ordered = [found[UUID(passage_point_id(record.video_id, n))] for n in range(len(found))]
    except KeyError as e:
        raise IndexUnavailableError(
            f"Passages of the video {record.video_id} are missing. Build the index again: "
            "python -m ingest sync SOURCE --prune"
        ) from e
    return EmbeddedVideo(
        record=record,
        stored=stored,
        vector=video.vector,
        words=video.words,
        passages=tuple(_passage(passage) for passage in ordered),
    )


def _passage(point: StoredPoint) -> EmbeddedPassage:
    payload = point.payload
    return EmbeddedPassage(
        text=payload.get("text"),
        start=_seconds(payload.get("start")),
        end=_seconds(payload.get("end")),
        vector=point.vector,
        words=point.words,
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)
