"""The hits that an index returns: videos, passages and moments, and the labels of its catalogue."""

from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

LabelField = Literal["channel", "language"]
"""A field whose values divide the catalogue into parts that a search can be narrowed to."""


class Label(NamedTuple):
    """One channel or language, and the number of its videos."""

    value: str
    videos: int


class VideoHit(msgspec.Struct, frozen=True):
    """A video near the query, with its Manhattan distance."""

    video_id: str
    distance: float


class Moment(msgspec.Struct, frozen=True):
    """A passage that was found. Times are seconds, None for a transcript without times.

    `text` is None for a video that has no transcript: there is no moment to show, only a distance.
    `distance` is None if the query had no embedding to measure it from.
    """

    start: float | None
    end: float | None
    text: str | None
    distance: float | None


class PassageHit(msgspec.Struct, frozen=True):
    """A passage of a known video: its distance, and the relevance of its words (0 if it shares none).

    `passage_id` is the engine's own and has a meaning only in the index that returned it. `distance` is
    None if the passage was found by words and no distance was measured.
    """

    passage_id: UUID
    distance: float | None
    relevance: float
