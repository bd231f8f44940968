"""Writing an index: what ingest hands over, and the protocol of the writers."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.video import VideoRecord
from retrieval.index.reading import PairVector
from retrieval.text.vectors import SparseVector


class StoredVideo(msgspec.Struct, frozen=True):
    """What ingest must know of a video that an index already holds, to leave it alone if it can.

    `content_hash` covers everything that the embeddings and passages were made from, `record_hash`
    what is only shown. `transcribed`: it has a transcript. The rest is for telling rot from change: hashes of
    the title and of the transcript's words, empty where there is none or it is not known, and the
    transcript's length in characters.
    """

    content_hash: str
    record_hash: str
    transcribed: bool = True
    title_hash: str = ""
    text_hash: str = ""
    characters: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether a run wrote this video to its end; one that did not leaves no content hash."""
        return bool(self.content_hash)


class EmbeddedPassage(msgspec.Struct, frozen=True):
    """A passage ready to be written. `text` is None where the video has no transcript."""

    text: str | None
    start: float | None
    end: float | None
    vector: PairVector
    words: SparseVector


class EmbeddedVideo(msgspec.Struct, frozen=True):
    """A video ready to be written, whole: its record, its own vector, and every passage it has."""

    record: VideoRecord
    stored: StoredVideo
    vector: PairVector
    words: SparseVector
    passages: tuple[EmbeddedPassage, ...]


class IndexWriter(Protocol):
    """A version of the catalogue that is being written.

    A writer that is stopped between two calls, or within one, leaves what another run of the same can finish:
    a video that is not whole yet is not among the stored ones with its content hash.

    Every method raises IndexUnavailableError where the engine refuses or does not answer.
    """

    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Say what the index already holds, by video id."""

    async def write(self, videos: Sequence[EmbeddedVideo]) -> None:
        """Add these videos or replace them; no passage of an earlier version stays."""

    async def write_records(self, records: Sequence[tuple[VideoRecord, StoredVideo]]) -> None:
        """Replace what is shown of videos the index holds; their embeddings and passages stay."""

    async def delete(self, video_ids: Sequence[str]) -> None:
        """Remove these videos with all their passages."""

    async def counts(self) -> IndexCounts:
        """Count what the index holds now."""

    async def finish(self) -> None:
        """Make what was written durable and quick to search; nothing may be written after it."""
