"""The manifest: the description of an index, stored with it and checked before it is served."""

from datetime import UTC, datetime
from secrets import token_hex

import msgspec

from retrieval.errors import IncompatibleIndexError

SCHEMA_VERSION = 1
"""Increased whenever points or payloads change so that an older reader would misread them."""

DISTANCE = "manhattan"


class PassageSettings(msgspec.Struct, frozen=True):
    """The length and overlap of the passages of transcripts, in words."""

    size: int = 120
    overlap: int = 30


class ModelIdentity(msgspec.Struct, frozen=True):
    """The model of the embeddings: its name, the sha256 of its weights and its dimension."""

    name: str
    weights_sha256: str
    dimension: int


class IndexCounts(msgspec.Struct, frozen=True):
    """The numbers of videos and passages in an index."""

    videos: int
    passages: int
    videos_with_transcript: int

    @property
    def transcript_coverage(self) -> float:
        """The share of videos with a transcript, 0 to 1. It is 0 for an empty index."""
        return self.videos_with_transcript / self.videos if self.videos else 0.0


class Peak(msgspec.Struct, frozen=True):
    """The maximum of a quantity, and its time."""

    value: float
    at: datetime


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of one version of an index.

    `canaries` are titles whose search found their own video when the index was built, `canary_videos` the ids
    of those videos. `accepted` are the names of the gate rules that the user accepted for the run that built
    it, `tolerated` the largest value accepted for each rule, and `peaks` the maxima that the rules compare
    with in addition to the counts. `is_sample`: this is the sample catalogue, which the user's first
    catalogue replaces. `is_partial`: a run is writing into this version, and the counts are those from before
    the run; or a run was interrupted, and no source since contains the videos that it left unfinished. Each
    unfinished video is marked. `timed_transcripts` is the number of videos whose transcript has times; None
    is unknown, because an older release wrote some of the videos.
    """

    index_version: str
    model: ModelIdentity
    passage_settings: PassageSettings
    counts: IndexCounts
    built_at: datetime
    canaries: tuple[str, ...] = ()
    canary_videos: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    tolerated: dict[str, float] = msgspec.field(default_factory=dict)
    peaks: dict[str, Peak] = msgspec.field(default_factory=dict)
    is_sample: bool = False
    is_partial: bool = False
    timed_transcripts: int | None = None
    distance: str = DISTANCE
    schema_version: int = SCHEMA_VERSION


def new_version_name() -> str:
    """Return a new, unique version name. Names sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(3)}"


def check_servable(manifest: Manifest, model: ModelIdentity) -> None:
    """Raise IncompatibleIndexError unless an index of this manifest can be searched with this model."""
    if manifest.schema_version != SCHEMA_VERSION:
        raise IncompatibleIndexError(
            f"The index {manifest.index_version} has schema version {manifest.schema_version}, but this "
            f"release reads version {SCHEMA_VERSION}. Build the index again: python -m ingest sync SOURCE "
            "--prune"
        )
    if manifest.distance != DISTANCE:
        raise IncompatibleIndexError(
            f"The index {manifest.index_version} uses the distance {manifest.distance!r}, not {DISTANCE!r}. "
            "Build the index again: python -m ingest sync SOURCE --prune"
        )
    if manifest.model != model:
        raise IncompatibleIndexError(
            f"The index {manifest.index_version} was built with {describe(manifest.model)}, but the current "
            f"model is {describe(model)}. Use the model of the index, or build the index again: "
            "python -m ingest sync SOURCE --prune"
        )


def describe(model: ModelIdentity) -> str:
    """Return the name, dimension and checksum of a model as text."""
    return f"{model.name} ({model.dimension} dimensions, weights {model.weights_sha256[:12]})"
