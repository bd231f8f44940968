"""The protocol of an engine: the few calls from which the read side of an index is made.

A point is one stored record: a video in the collection `videos`, or one of its passages in `passages`.
No vendor type crosses this protocol.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

from retrieval.text.vectors import PairVector, SparseVector

Collection = Literal["videos", "passages"]

DriverQuery = PairVector | SparseVector
"""A pair vector is compared by Manhattan distance (lower is nearer), word weights by BM25 (higher is
better)."""


class PointFilter(msgspec.Struct, frozen=True):
    """Which points may be found: each of these payload fields has one of its values.

    `published_after` is inclusive and `published_before` exclusive.
    """

    values: tuple[tuple[str, Sequence[str]], ...] = ()
    published_after: datetime | None = None
    published_before: datetime | None = None


class IndexDriver(Protocol):
    """One version of an index, opened by its engine.

    Every method raises IndexUnavailableError if the engine fails or does not answer.
    """

    @property
    def is_remote(self) -> bool:
        """Whether calls cross the network, so that independent calls should run concurrently."""

    async def search(
        self,
        collection: Collection,
        query: DriverQuery,
        *,
        limit: int,
        where: PointFilter | None = None,
        max_distance: float | None = None,
    ) -> dict[str, float]:
        """Find the videos of the best points, by video id, each with the score of its best point.

        In `videos` the result has at most `limit` videos. In `passages`, which are searched by pair vectors
        only, it may have more: the engine continues until it has found `limit` videos or all there are.
        """

    async def search_each(
        self, query: DriverQuery, video_ids: Sequence[str], *, limit: int
    ) -> dict[str, list[tuple[UUID, float]]]:
        """Find the best passages of each of these videos: point ids and scores, best first.

        A video without any is absent.
        """

    async def best_each(self, query: DriverQuery, video_ids: Sequence[str]) -> dict[str, float]:
        """Return the score of the best passage of each of these videos; a video without any is absent."""

    async def score(self, query: DriverQuery, passages: set[UUID]) -> dict[UUID, float]:
        """Score exactly these passages; a passage that shares no word with a query of words is absent."""

    async def fetch(
        self, collection: Collection, points: Sequence[str | UUID], *, fields: Sequence[str] | None = None
    ) -> Mapping[UUID, dict[str, Any]]:
        """Return the payloads of these points, by point id: all fields, or those named.

        A point that does not exist is absent.
        """

    async def fetch_vector(self, video_point: str) -> PairVector | None:
        """Return the pair vector of a video's point, or None if there is no such point."""

    async def page(self, *, start: UUID | None, limit: int) -> tuple[list[dict[str, Any]], UUID | None]:
        """Return the payloads of up to `limit` videos in the order of point ids, and the id that follows."""

    async def facet(self, field: str, *, limit: int) -> list[tuple[str, int]]:
        """Count the videos of each value of a keyword field, exactly; the `limit` most frequent values."""

    async def close(self) -> None:
        """Close the engine's files; no method may be called afterwards."""
