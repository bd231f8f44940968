"""The JSON of requests and responses. Every key is always present; an unknown value is null.

Distances are Manhattan distances: lower is closer. Times are seconds from the start of the video.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from retrieval.search.ranking import RANKED_VIDEOS, Mode

HealthStatus = Literal["pass", "warn", "fail"]

LONGEST_QUERY = 2_000
"""Characters."""

MOST_VIDEOS = 50
MOST_MOMENTS = 20
LARGEST_PAGE = 100
LARGEST_BATCH = 32


class Problem(msgspec.Struct, frozen=True):
    """An error (RFC 9457). `code` is stable, so programs may rely on it."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class SearchParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One search of a batch: the parameters of `GET /v1/search`, with the same rules."""

    query: Annotated[str, Meta(description="What to look for, in plain words.")]
    limit: Annotated[int, Meta(ge=1, le=MOST_VIDEOS)] = 10
    offset: Annotated[int, Meta(ge=0, le=RANKED_VIDEOS)] = 0
    moments: Annotated[int, Meta(ge=0, le=MOST_MOMENTS)] = 3
    mode: Mode = "hybrid"
    # Litestar does not document a bound of 0 for an optional value.
    max_distance: (
        Annotated[float, Meta(gt=0, extra_json_schema={"extra": {"exclusive_minimum": 0.0}})] | None
    ) = None
    published_after: str | None = None
    published_before: str | None = None
    channel: str | None = None
    language: str | None = None


class BatchParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of searches."""

    requests: Annotated[list[SearchParameters], Meta(min_length=1, max_length=LARGEST_BATCH)]


class MomentAnswer(msgspec.Struct, frozen=True):
    """A passage near the query. `start` and `end` are null if the transcript has no times.

    `distance` is null if the query was not embedded: in a `degraded` answer, and with `mode=lexical` without
    `max_distance`.
    """

    start: float | None
    end: float | None
    text: str
    url: str | None
    distance: float | None


class VideoAnswer(msgspec.Struct, frozen=True):
    """A video that matches the query, with its best moments first.

    `distance` is that of its nearest passage. It is null if the query was not embedded: in a `degraded`
    answer, and with `mode=lexical` without `max_distance`.
    """

    video_id: str
    title: str
    url: str | None
    channel: str | None
    published_at: datetime | None
    thumbnail_url: str | None
    distance: float | None
    moments: list[MomentAnswer]


class SearchAnswer(msgspec.Struct, frozen=True):
    """The videos that match a query, best first.

    `degraded` is normally null. It is `lexical` if a hybrid search could not embed the query in time: the
    answer is then based on words alone, and has no distances.
    """

    query: str
    mode: Mode
    index_version: str
    took_ms: float
    degraded: Literal["lexical"] | None
    videos: list[VideoAnswer]


class BatchAnswer(msgspec.Struct, frozen=True):
    """The answers to a batch, in the order of its requests."""

    results: list[SearchAnswer]


class InsideAnswer(msgspec.Struct, frozen=True):
    """One video, with its best moments for a query first."""

    query: str
    index_version: str
    took_ms: float
    videos: list[VideoAnswer]


class SimilarAnswer(msgspec.Struct, frozen=True):
    """The nearest videos to a given one, without that video and without moments."""

    video_id: str
    index_version: str
    took_ms: float
    videos: list[VideoAnswer]


class CatalogueVideo(msgspec.Struct, frozen=True):
    """A video of the catalogue. `duration` is in seconds; `passages` is the number of its passages."""

    video_id: str
    title: str
    url: str | None
    channel: str | None
    published_at: datetime | None
    thumbnail_url: str | None
    language: str | None
    duration: float | None
    tags: tuple[str, ...]
    passages: int
    has_transcript: bool


class CatalogueAnswer(msgspec.Struct, frozen=True):
    """A page of the catalogue. `next_cursor` is null on the last page."""

    index_version: str
    videos: list[CatalogueVideo]
    next_cursor: str | None


class ClassicAnswer(msgspec.Struct, frozen=True):
    """The tutorial's response: titles and ids as columns, nearest first."""

    title: list[str]
    video_id: list[str]


class HealthCheck(msgspec.Struct, frozen=True):
    """The response of `/`."""

    health_check: str


class ModelInfo(msgspec.Struct, frozen=True):
    """The model that computed the embeddings of the index."""

    name: str
    dimension: int
    weights_sha256: str


class CountsInfo(msgspec.Struct, frozen=True):
    """The size of the index."""

    videos: int
    passages: int
    videos_with_transcript: int


class Info(msgspec.Struct, frozen=True):
    """What this service is. The facts about the index are null if there is no index."""

    name: str
    description: str
    version: str
    model: ModelInfo | None
    distance: str | None
    index_version: str | None
    counts: CountsInfo | None


class Probe(msgspec.Struct, frozen=True):
    """A probe that passed."""

    status: str


class IndexHealth(msgspec.Struct, frozen=True):
    """The index that is served."""

    version: str
    built_at: datetime
    videos: int
    passages: int
    videos_with_transcript: int


class HealthEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One check: what was observed, and when."""

    component_type: str
    status: HealthStatus
    observed_value: float | str | None
    observed_unit: str | None
    time: datetime
    output: str | None


class Health(msgspec.Struct, frozen=True):
    """Health as `application/health+json`. `version` is the version of this service.

    The status is `fail` if searching fails or the service is stopping, and `warn` if a check misses its
    threshold.
    """

    status: HealthStatus
    version: str
    index: IndexHealth | None
    model: ModelInfo | None
    checks: dict[str, list[HealthEntry]]
