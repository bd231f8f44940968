"""The index protocols: what search reads and what ingest writes, whatever engine is behind them.

Distances are Manhattan: lower is closer. A threshold is strict: a hit at exactly `max_distance` is not a
hit. Every list of hits is in ascending order of distance, ties by video id, unless it says otherwise.

One collection's vectors are `[title ; text]`, two embeddings end to end. Manhattan distance is additive
over coordinates, so with `[query ; query]` its distance is the sum of the two halves' distances.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, runtime_checkable
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
from retrieval.text.vectors import Embedding, SparseVector

PairVector = NDArray[np.float32]
"""Shape (2 * dimension,): two embeddings end to end."""


class SearchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a video must be to count; None means any.

    `published_after` is inclusive and `published_before` exclusive, both timezone-aware; a video without
    a date passes neither. `channel` and `language` match exactly.
    """

    published_after: datetime | None = None
    published_before: datetime | None = None
    channel: str | None = None
    language: str | None = None


NO_FILTER = SearchFilter()

LabelField = Literal["channel", "language"]
"""A field whose values divide the catalogue into parts that a search can be narrowed to."""


class Label(NamedTuple):
    """One channel or language, and how many videos carry it."""

    value: str
    videos: int


class VideoHit(msgspec.Struct, frozen=True):
    """A video near the query, with its Manhattan distance."""

    video_id: str
    distance: float


class Moment(msgspec.Struct, frozen=True):
    """A passage that was found. Times are seconds, None for a transcript without times.

    `text` is None for a video that has no transcript: there is no moment to show, only a distance.
    `distance` is None where the query had no embedding to measure it from.
    """

    start: float | None
    end: float | None
    text: str | None
    distance: float | None


class PassageHit(msgspec.Struct, frozen=True):
    """A passage of a known video: how near it is, and how relevant its words are (0 where none is shared).

    `passage_id` is the engine's own; it means something only to the index that gave it. `distance` is None
    where the passage was found by words and nothing was measured.
    """

    passage_id: UUID
    distance: float | None
    relevance: float


@runtime_checkable
class VideoIndex(Protocol):
    """One version of the catalogue, open for reading.

    An embedded version never changes while it is open. On a server a run writes in place, so a video or a
    passage that one call found may be gone when the next asks about it; it is then absent from that answer.

    Every method raises IndexUnavailableError where the engine does not answer.
    """

    @property
    def manifest(self) -> Manifest:
        """What this index is."""

    @property
    def is_remote(self) -> bool:
        """Whether each answer is a way there and back, so that several questions are better asked at once."""

    async def nearest_videos(
        self, vector: PairVector, *, limit: int, max_distance: float | None = None
    ) -> list[VideoHit]:
        """Find the videos whose `[title ; transcript]` is nearest to `vector`."""

    async def nearest_by_passage(
        self,
        query: Embedding,
        *,
        limit: int,
        where: SearchFilter = NO_FILTER,
        max_distance: float | None = None,
    ) -> list[VideoHit]:
        """Find the videos that own the passages nearest to the query; a hit's distance is its best one's."""

    async def distances_of(self, query: Embedding, video_ids: Sequence[str]) -> dict[str, float]:
        """Measure the nearest passage of each of these videos; an id the index does not hold is absent."""

    async def passages_of(
        self, query: Embedding, words: SparseVector, video_ids: Sequence[str], *, among: int
    ) -> dict[str, list[PassageHit]]:
        """Find the `among` nearest passages of each of these videos, nearest first.

        An id the index does not hold is absent.
        """

    async def matching_passages(
        self, words: SparseVector, video_ids: Sequence[str], *, limit: int, query: Embedding | None = None
    ) -> dict[str, list[PassageHit]]:
        """Find the passages of each of these videos that share words with the query, most relevant first.

        At most `limit` of each; a video with none is absent. Their distances are those to `query`, where
        there is one.
        """

    async def moments(self, hits: Sequence[PassageHit]) -> dict[UUID, Moment]:
        """Fetch what these passages say and when, by passage id; one that is gone since is absent."""

    async def matching_videos(
        self, words: SparseVector, *, limit: int, where: SearchFilter = NO_FILTER
    ) -> dict[str, float]:
        """Find the videos that share words with the query, with their BM25 relevance: higher is better.

        A video that shares no word is absent. At most `limit`, the most relevant.
        """

    async def relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Say how relevant these videos are to the words; one that shares none is absent."""

    async def passage_relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Say how relevant the most relevant passage of each video is; one that shares no word is absent."""

    async def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRecord]:
        """Fetch these videos' records; an id the index does not hold is absent."""

    async def pair_vector(self, video_id: str) -> PairVector | None:
        """Fetch a video's `[title ; transcript]`, or None where the index does not hold it."""

    async def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[VideoRecord], str | None]:
        """List the catalogue in a fixed order: a page, and the cursor of the next one or None at the end.

        Raises CursorError for a cursor that no page returned.
        """

    async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
        """Count the videos of each channel or language: the most frequent first, ties by the value.

        At most `limit`, which is at least 1. A video without the value is not counted; one that a run has not
        finished is, as a page lists it.
        """

    async def close(self) -> None:
        """Let go of the engine; no method may be called after it."""


class IndexSource(Protocol):
    """Where the API gets the index of the moment."""

    def lease(self) -> "IndexLease":
        """Hold the live index for the length of one request, through any switch.

        Raises IndexUnavailableError where there is none.
        """


class IndexLease(Protocol):
    """A context manager that keeps one index open."""

    async def __aenter__(self) -> VideoIndex:
        """Take the index."""

    async def __aexit__(self, *_: object) -> None:
        """Give it back."""
