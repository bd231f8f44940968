"""Putting a stored version together again: from points in two collections to the videos they were made of."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from retrieval.errors import IndexUnavailableError
from retrieval.index.stored_records import owner_key, passage_point_id, record_of, stored_of
from retrieval.index.writing import EmbeddedPassage, EmbeddedVideo
from retrieval.text.vectors import PairVector, SparseVector


class StoredPoint(msgspec.Struct, frozen=True):
    """A point as an engine gives it back, of either collection."""

    point_id: UUID
    payload: dict[str, Any]
    vector: PairVector
    words: SparseVector


async def whole_videos(
    videos: AsyncIterator[StoredPoint], passages: AsyncIterator[StoredPoint]
) -> AsyncIterator[EmbeddedVideo]:
    """Give each video with its passages, of which memory holds one video's at a time.

    Both must come in the order of their ids, which is the engines' own: a video's id and those of its
    passages begin alike. Raises IndexUnavailableError where the two collections do not belong together.
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
            f"The passage {ahead.point_id} is of no video that the index holds. Build the index again: "
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
            f"The passages of the video {record.video_id} are not all there. Build the index again: "
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
