"""The embedded engine's writing side: a generation being built, which nobody searches yet."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
from qdrant_edge import (
    CountRequest,
    EdgeShard,
    FieldCondition,
    Filter,
    MatchAny,
    MatchValue,
    RangeFloat,
    UpdateOperation,
)

from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.video import VideoRecord
from retrieval.edge.errors import engine_errors, with_engine_errors
from retrieval.edge.points import create_shard, every_point, passage_points, payload_of, video_point
from retrieval.errors import IndexUnavailableError
from retrieval.index.records import PASSAGES, VIDEOS, filter_fields, shown_payload, stored_of, video_point_id
from retrieval.index.writing import EmbeddedVideo, StoredVideo

STORED_FILE = "stored.msgpack"
"""Beside the shards: what the version holds, by video id."""


class EdgeWriter:
    """An IndexWriter over the two shards of one folder that nobody else has open."""

    def __init__(self, folder: Path, *, dimension: int) -> None:
        """Open the folder's shards, or create them where the folder is empty.

        Raises IndexUnavailableError where the engine cannot.
        """
        self.folder = folder
        with engine_errors(f"A new version cannot be built in {folder}"):
            self._videos = _open_or_create(folder / VIDEOS, dimension)
            self._passages = _open_or_create(folder / PASSAGES, dimension)

    @with_engine_errors
    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Say what the index already holds, by video id."""
        payloads = map(payload_of, every_point(self._videos, with_payload=True))
        return {payload["video_id"]: stored_of(payload) for payload in payloads}

    @with_engine_errors
    async def write(self, videos: Sequence[EmbeddedVideo]) -> None:
        """Add these videos or replace them; no passage of an earlier version stays."""
        self._delete_passages([video.record.video_id for video in videos])
        passages = [point for video in videos for point in passage_points(video)]
        self._passages.update(UpdateOperation.upsert_points(passages))
        self._videos.update(UpdateOperation.upsert_points([video_point(video) for video in videos]))

    @with_engine_errors
    async def write_records(self, records: Sequence[tuple[VideoRecord, StoredVideo]]) -> None:
        """Replace what is shown of videos the index holds; their embeddings and passages stay."""
        for record, stored in records:
            shown = shown_payload(record, stored)
            self._videos.update(UpdateOperation.set_payload([video_point_id(record.video_id)], shown))
            owner = Filter(must=[FieldCondition(key="video_id", match=MatchValue(record.video_id))])
            self._passages.update(UpdateOperation.set_payload_by_filter(owner, filter_fields(record)))

    @with_engine_errors
    async def delete(self, video_ids: Sequence[str]) -> None:
        """Remove these videos with all their passages."""
        self._delete_passages(video_ids)
        points: list[int | UUID | str] = [video_point_id(video_id) for video_id in video_ids]
        self._videos.update(UpdateOperation.delete_points(points))

    @with_engine_errors
    async def counts(self) -> IndexCounts:
        """Count what the index holds now."""
        # By its passages, and not by `has_transcript`: the engine's Python side turns a bool into a number.
        with_transcript = Filter(must=[FieldCondition(key="passages", range=RangeFloat(gt=0))])
        return IndexCounts(
            videos=self._videos.count(CountRequest(exact=True)),
            passages=self._passages.count(CountRequest(exact=True)),
            videos_with_transcript=self._videos.count(CountRequest(exact=True, filter=with_transcript)),
        )

    @with_engine_errors
    async def finish(self) -> None:
        """Optimize, flush and close: the version is complete on disk when this returns."""
        stored = await self.stored_videos()
        (self.folder / STORED_FILE).write_bytes(msgspec.msgpack.encode(stored))
        for shard in (self._videos, self._passages):
            shard.optimize()
            shard.flush()
        await self.close()

    async def close(self) -> None:
        """Let go of both shards, which may be done twice."""
        for shard in (self._videos, self._passages):
            # An engine that cannot close has nothing left to save: what counts was flushed before.
            with contextlib.suppress(IndexUnavailableError), engine_errors("The version could not be closed"):
                shard.close()

    def _delete_passages(self, video_ids: Sequence[str]) -> None:
        owners = Filter(must=[FieldCondition(key="video_id", match=MatchAny(list(video_ids)))])
        self._passages.update(UpdateOperation.delete_points_by_filter(owners))


def read_stored(folder: Path) -> dict[str, StoredVideo]:
    """Read what a finished version holds without opening it: opening would touch a live version's files.

    Raises IndexUnavailableError where the file cannot be read.
    """
    path = folder / STORED_FILE
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=dict[str, StoredVideo])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise IndexUnavailableError(f"{path} cannot be read: {e}") from e


def _open_or_create(folder: Path, dimension: int) -> EdgeShard:
    return EdgeShard.load(str(folder)) if folder.is_dir() else create_shard(folder, dimension)
