"""The write side of the embedded engine: a generation that is being built and not searched yet."""

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
from typing_extensions import override

from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.video import VideoRecord
from retrieval.edge.errors import engine_errors, with_engine_errors
from retrieval.edge.stored_records import create_shard, edge_point, every_point, payload_of
from retrieval.errors import IndexUnavailableError
from retrieval.index.stored_records import (
    PASSAGES,
    VIDEOS,
    filter_fields,
    shown_payload,
    stored_of,
    video_point_id,
)
from retrieval.index.whole_videos import passage_points, video_point
from retrieval.index.writing import EmbeddedVideo, IndexWriter, StoredVideo

STORED_FILE = "stored.msgpack"
"""Next to the shards: the StoredVideo of each video in the version, by video id."""


class EdgeWriter(IndexWriter):
    """An IndexWriter over the two shards of one folder, which no other process has open."""

    def __init__(self, folder: Path, *, dimension: int) -> None:
        """Open the folder's shards, or create them if the folder is empty.

        Raises IndexUnavailableError if the engine cannot.
        """
        self.folder = folder
        with engine_errors(f"A new version cannot be built in {folder}"):
            self._videos = _open_or_create(folder / VIDEOS, dimension)
            self._passages = _open_or_create(folder / PASSAGES, dimension)

    @override
    @with_engine_errors
    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        payloads = map(payload_of, every_point(self._videos, with_payload=True))
        return {payload["video_id"]: stored_of(payload) for payload in payloads}

    @override
    @with_engine_errors
    async def write(self, videos: Sequence[EmbeddedVideo]) -> None:
        self._delete_passages([video.record.video_id for video in videos])
        passages = [edge_point(point) for video in videos for point in passage_points(video)]
        self._passages.update(UpdateOperation.upsert_points(passages))
        own = [edge_point(point) for point in map(video_point, videos)]
        self._videos.update(UpdateOperation.upsert_points(own))

    @override
    @with_engine_errors
    async def write_records(self, records: Sequence[tuple[VideoRecord, StoredVideo]]) -> None:
        for record, stored in records:
            shown = shown_payload(record, stored)
            self._videos.update(UpdateOperation.set_payload([video_point_id(record.video_id)], shown))
            owner = Filter(must=[FieldCondition(key="video_id", match=MatchValue(record.video_id))])
            self._passages.update(UpdateOperation.set_payload_by_filter(owner, filter_fields(record)))

    @override
    @with_engine_errors
    async def delete(self, video_ids: Sequence[str]) -> None:
        self._delete_passages(video_ids)
        points: list[int | UUID | str] = [video_point_id(video_id) for video_id in video_ids]
        self._videos.update(UpdateOperation.delete_points(points))

    @override
    @with_engine_errors
    async def counts(self) -> IndexCounts:
        # By `passages`, not by `has_transcript`: the engine's Python binding turns a bool into a number.
        with_transcript = Filter(must=[FieldCondition(key="passages", range=RangeFloat(gt=0))])
        return IndexCounts(
            videos=self._videos.count(CountRequest(exact=True)),
            passages=self._passages.count(CountRequest(exact=True)),
            videos_with_transcript=self._videos.count(CountRequest(exact=True, filter=with_transcript)),
        )

    @override
    @with_engine_errors
    async def finish(self) -> None:
        """Optimize, flush and close: the version is durable when this returns."""
        stored = await self.stored_videos()
        (self.folder / STORED_FILE).write_bytes(msgspec.msgpack.encode(stored))
        for shard in (self._videos, self._passages):
            shard.optimize()
            shard.flush()
        await self.close()

    async def close(self) -> None:
        """Close both shards; closing twice is allowed."""
        for shard in (self._videos, self._passages):
            # A failed close loses nothing: `finish` has flushed all data before.
            with contextlib.suppress(IndexUnavailableError), engine_errors("The version could not be closed"):
                shard.close()

    def _delete_passages(self, video_ids: Sequence[str]) -> None:
        owners = Filter(must=[FieldCondition(key="video_id", match=MatchAny(list(video_ids)))])
        self._passages.update(UpdateOperation.delete_points_by_filter(owners))


def read_stored(folder: Path) -> dict[str, StoredVideo]:
    """Read the stored videos of a finished version from a file next to its shards.

    Opening the shards would touch the files of a live version. Raises IndexUnavailableError if the file
    cannot be read.
    """
    path = folder / STORED_FILE
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=dict[str, StoredVideo])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise IndexUnavailableError(f"{path} cannot be read: {e}") from e


def _open_or_create(folder: Path, dimension: int) -> EdgeShard:
    return EdgeShard.load(str(folder)) if folder.is_dir() else create_shard(folder, dimension)
