"""What goes over the wire. Every key is always there; an unknown value is null.

Distances are Manhattan, lower is closer. Times are seconds from the start of the video.
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
    """An error (RFC 9457). `code` is stable: programs may rely on it."""

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
    # Litestar does not document a rule whose number is 0 of a value that may be left out.
    max_distance: (
        Annotated[float, Meta(gt=0, extra_json_schema={"extra": {"exclusive_minimum": 0.0}})] | None
    ) = None
    published_after: str | None = None
    published_before: str | None = None
    channel: str | None = None
    language: str | None = None


class BatchParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Searches to answer at once."""

    requests: Annotated[list[SearchParameters], Meta(min_length=1, max_length=LARGEST_BATCH)]


class MomentAnswer(msgspec.Struct, frozen=True):
    """A passage near the query. A transcript without times gives moments without `start` and `end`.

    `distance` is null if the query was not embedded: in a `degraded` answer, and with `mode=lexical` without
    `max_distance`.
    """

    start: float | None
    end: float | None
    text: str
    url: str | None
    distance: float | None


class VideoAnswer(msgspec.Struct, frozen=True):
    """A video that was found, with its best moments first.

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
    """The videos found for a query, best first.

    `degraded` is null, or, where a hybrid search could not embed the query in time, `lexical`: the answer is
    from words alone, and knows no distances.
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
    """One video with its best moments for a query first."""

    query: str
    index_version: str
    took_ms: float
    videos: list[VideoAnswer]


class SimilarAnswer(msgspec.Struct, frozen=True):
    """The videos nearest to one, without it and without moments."""

    video_id: str
    index_version: str
    took_ms: float
    videos: list[VideoAnswer]


class CatalogueVideo(msgspec.Struct, frozen=True):
    """What the index knows of a video. `duration` is seconds; `passages` is how many it was cut into."""

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
    """A page of the catalogue; `next_cursor` is null on the last one."""

    index_version: str
    videos: list[CatalogueVideo]
    next_cursor: str | None


class ClassicAnswer(msgspec.Struct, frozen=True):
    """The tutorial's answer: titles and ids by column, nearest first."""

    title: list[str]
    video_id: list[str]


class HealthCheck(msgspec.Struct, frozen=True):
    """What `/` says."""

    health_check: str


class ModelInfo(msgspec.Struct, frozen=True):
    """The model whose embeddings the index holds."""

    name: str
    dimension: int
    weights_sha256: str


class CountsInfo(msgspec.Struct, frozen=True):
    """How much the index holds."""

    videos: int
    passages: int
    videos_with_transcript: int


class Info(msgspec.Struct, frozen=True):
    """What this service is; what it knows of its index is null where there is none."""

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
    """One thing that was looked at, when, and what was seen."""

    component_type: str
    status: HealthStatus
    observed_value: float | str | None
    observed_unit: str | None
    time: datetime
    output: str | None


class Health(msgspec.Struct, frozen=True):
    """Health as `application/health+json`; `version` is that of this service.

    It fails where searches are not answered, and warns where something is not as it was expected to be.
    """

    status: HealthStatus
    version: str
    index: IndexHealth | None
    model: ModelInfo | None
    checks: dict[str, list[HealthEntry]]
