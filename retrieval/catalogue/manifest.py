"""The manifest: what an index is, stored with it and checked before it serves."""

from datetime import UTC, datetime
from secrets import token_hex

import msgspec

from retrieval.errors import IncompatibleIndexError

SCHEMA_VERSION = 1
"""Raised whenever points or payloads change in a way that an older reader would misread."""

DISTANCE = "manhattan"


class PassageSettings(msgspec.Struct, frozen=True):
    """How transcripts were cut. Lengths are in words."""

    size: int = 120
    overlap: int = 30


class ModelIdentity(msgspec.Struct, frozen=True):
    """Which model made the embeddings: its name, the sha256 of its weights and its output's length."""

    name: str
    weights_sha256: str
    dimension: int


class IndexCounts(msgspec.Struct, frozen=True):
    """How much an index holds."""

    videos: int
    passages: int
    videos_with_transcript: int

    @property
    def transcript_coverage(self) -> float:
        """The share of videos that have a transcript, 0 to 1; 0 for an empty index."""
        return self.videos_with_transcript / self.videos if self.videos else 0.0


class Peak(msgspec.Struct, frozen=True):
    """The most there was of something, and when."""

    value: float
    at: datetime


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an index is, and since when.

    `canaries` are titles whose search found their own video when the index was built, `canary_videos` those
    videos. `accepted` are the gate's rules by whose names the run that made it was let through, `tolerated`
    how much of each was ever accepted, and `peaks` what the rules compare with beside these counts.
    `is_sample` marks the catalogue that ships with the product: the first of a user's own replaces it.
    `is_partial`: a run began to write into this version and has not ended, and the counts are those from
    before; or one did not end, and videos it left unfinished are in no source since. Each of those is marked.
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
    distance: str = DISTANCE
    schema_version: int = SCHEMA_VERSION


def new_version_name() -> str:
    """Name a version: sorts by time, and two in one second differ."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(3)}"


def check_servable(manifest: Manifest, model: ModelIdentity) -> None:
    """Raise IncompatibleIndexError unless an index of this manifest can be searched with this model."""
    if manifest.schema_version != SCHEMA_VERSION:
        raise IncompatibleIndexError(
            f"The index {manifest.index_version} has schema version {manifest.schema_version}, and this "
            f"program reads version {SCHEMA_VERSION}. Build it again: python -m ingest sync SOURCE "
            "--prune"
        )
    if manifest.distance != DISTANCE:
        raise IncompatibleIndexError(
            f"The index {manifest.index_version} uses the distance {manifest.distance!r}, not {DISTANCE!r}."
        )
    if manifest.model != model:
        raise IncompatibleIndexError(
            f"The index {manifest.index_version} was built with {describe(manifest.model)}, and the model "
            f"to serve is {describe(model)}. Serve with the model it was built with, or build it again: "
            "python -m ingest sync SOURCE --prune"
        )


def describe(model: ModelIdentity) -> str:
    """Say in a few words which model this is."""
    return f"{model.name} ({model.dimension} dimensions, weights {model.weights_sha256[:12]})"
