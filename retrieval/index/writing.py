"""The write side of an index: the videos that ingest hands over, and the protocol of the writers."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.video import VideoRecord
from retrieval.text.vectors import PairVector, SparseVector


class StoredVideo(msgspec.Struct, frozen=True):
    """The data by which ingest decides whether a video in the index must be written again.

    `content_hash` covers everything from which the embeddings and passages were made, `record_hash` the
    fields that are only displayed. `transcribed`: it has a transcript; `timed`: the transcript has times
    (None: unknown, because an older release wrote the video). The rest distinguishes damage at the source
    from edits: hashes of the title and of the transcript's words, empty if there are none or unknown, and the
    transcript's length in characters.
    """

    content_hash: str
    record_hash: str
    transcribed: bool = True
    timed: bool | None = None
    title_hash: str = ""
    text_hash: str = ""
    characters: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether a run wrote this video completely; an interrupted run leaves no content hash."""
        return bool(self.content_hash)


class EmbeddedPassage(msgspec.Struct, frozen=True):
    """A passage ready to be written. `text` is None if the video has no transcript."""

    text: str | None
    start: float | None
    end: float | None
    vector: PairVector
    words: SparseVector


class EmbeddedVideo(msgspec.Struct, frozen=True):
    """A complete video ready to be written: its record, its own vector, and all its passages."""

    record: VideoRecord
    stored: StoredVideo
    vector: PairVector
    words: SparseVector
    passages: tuple[EmbeddedPassage, ...]


class IndexWriter(Protocol):
    """A version of the catalogue that is being written.

    If a writer is stopped between two calls or within one, another run of the same catalogue can complete the
    version: a video that is incomplete is not listed with its content hash.

    Every method raises IndexUnavailableError if the engine refuses or does not answer.
    """

    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Read what the version stores of each video, by video id."""

    async def write(self, videos: Sequence[EmbeddedVideo]) -> None:
        """Add these videos or replace them, with all their passages."""

    async def write_records(self, records: Sequence[tuple[VideoRecord, StoredVideo]]) -> None:
        """Replace the records of videos that the index holds; their embeddings and passages stay."""

    async def delete(self, video_ids: Sequence[str]) -> None:
        """Remove these videos with all their passages."""

    async def counts(self) -> IndexCounts:
        """Count the videos and passages of the version."""

    async def finish(self) -> None:
        """Make the version durable and fast to search; nothing may be written afterwards."""
