"""The write side of the server engine, which may write into the version that is being searched.

Readers never miss a video, and an interrupted run loses and duplicates nothing. Therefore a video is written
in this order: its own point, marked as incomplete; its new passages, which replace old ones with the same
ordinal; the deletion of the remaining old passages; and last the removal of the mark. A video is deleted in
the order: mark, passages, its own point. Every write is acknowledged before the next one, and every write is
idempotent.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar
from uuid import UUID

import msgspec
from qdrant_client import AsyncQdrantClient, models
from typing_extensions import override

from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.video import VideoRecord
from retrieval.errors import IndexUnavailableError
from retrieval.index.stored_records import (
    PASSAGES,
    VIDEOS,
    filter_fields,
    passage_point_id,
    shown_payload,
    stored_of,
    video_point_id,
)
from retrieval.index.whole_videos import passage_points, video_point
from retrieval.index.writing import EmbeddedVideo, IndexWriter, StoredVideo
from retrieval.qdrant.connection import QdrantConnection
from retrieval.qdrant.stored_records import (
    INCOMPLETE,
    every_point,
    of_video,
    of_videos,
    payload_of,
    server_point,
)

_POINTS_PER_CALL = 128
"""About 1.5 MB as JSON; the server accepts 32 MB. The passages of a ten-hour talk exceed that."""

_CHANGES_PER_CALL = 100
_VIDEOS_PER_CALL = 500
_SCROLL = 1000

_POLL_SECONDS = 1.0
_MAX_POLLS = 600

_T = TypeVar("_T")


class QdrantWriter(IndexWriter):
    """An IndexWriter over the two collections of one generation."""

    def __init__(self, connection: QdrantConnection, collections: Mapping[str, str]) -> None:
        """Write into the collections `videos` and `passages` under their names on the server."""
        self._connection = connection
        self._videos = collections[VIDEOS]
        self._passages = collections[PASSAGES]

    @override
    async def stored_videos(self) -> dict[str, StoredVideo]:
        fields = ["video_id", *StoredVideo.__struct_fields__]
        points = every_point(self._connection, self._videos, limit=_SCROLL, with_payload=fields)
        return {payload_of(point)["video_id"]: stored_of(payload_of(point)) async for point in points}

    @override
    async def write(self, videos: Sequence[EmbeddedVideo]) -> None:
        existing = await self._points_of(videos)
        passages = (server_point(point) for video in videos for point in passage_points(video))
        await self._upsert(self._videos, (server_point(video_point(video), **INCOMPLETE) for video in videos))
        await self._upsert(self._passages, passages)
        replaced = (video for video in videos if video_point_id(video.record.video_id) in existing)
        await self._change(self._passages, map(_delete_stale_passages, replaced))
        await self._change(self._videos, map(_mark_as_complete, videos))

    @override
    async def write_records(self, records: Sequence[tuple[VideoRecord, StoredVideo]]) -> None:
        await self._change(self._passages, (_set_filter_fields(record) for record, _ in records))
        await self._change(self._videos, (_set_record(record, stored) for record, stored in records))

    @override
    async def delete(self, video_ids: Sequence[str]) -> None:
        for some in _chunks(video_ids, _VIDEOS_PER_CALL):
            passages = models.FilterSelector(filter=models.Filter(must=[of_videos(some)]))
            points = models.PointIdsList(points=[video_point_id(video_id) for video_id in some])
            await self._change(self._videos, [_mark_as_incomplete(some)])
            await self._delete(self._passages, passages)
            await self._delete(self._videos, points)

    @override
    async def counts(self) -> IndexCounts:
        has_passages = models.FieldCondition(key="passages", range=models.Range(gt=0))
        return IndexCounts(
            videos=await self._count(self._videos),
            passages=await self._count(self._passages),
            videos_with_transcript=await self._count(self._videos, models.Filter(must=[has_passages])),
        )

    @override
    async def finish(self) -> None:
        """Wait up to 10 minutes until the server has built its graphs; it continues on its own after that."""
        for collection in (self._videos, self._passages):
            for _ in range(_MAX_POLLS):
                if not await self._is_optimizing(collection):
                    break
                await asyncio.sleep(_POLL_SECONDS)

    async def _is_optimizing(self, collection: str) -> bool:
        info = await self._connection.call(lambda client: client.get_collection(collection))
        if info.status is models.CollectionStatus.RED:
            raise IndexUnavailableError(
                f"Qdrant cannot optimize the collection {collection}: {info.optimizer_status}"
            )
        return info.status is models.CollectionStatus.YELLOW

    async def _points_of(self, videos: Sequence[EmbeddedVideo]) -> set[str]:
        """Return the point ids of the given videos that the index already has, complete or not."""
        ids = [video_point_id(video.record.video_id) for video in videos]
        if not ids:
            return set()
        found = await self._connection.call(
            lambda client: client.retrieve(self._videos, ids, with_payload=False, with_vectors=False)
        )
        return {str(point.id) for point in found}

    async def _upsert(self, collection: str, points: Iterable[models.PointStruct]) -> None:
        for some in _chunks(points, _POINTS_PER_CALL):
            upsert = partial(AsyncQdrantClient.upsert, collection_name=collection, points=some, wait=True)
            await self._connection.call(upsert)

    async def _change(self, collection: str, operations: Iterable[models.UpdateOperation]) -> None:
        for some in _chunks(operations, _CHANGES_PER_CALL):
            change = partial(
                AsyncQdrantClient.batch_update_points,
                collection_name=collection,
                update_operations=some,
                wait=True,
            )
            await self._connection.call(change)

    async def _delete(self, collection: str, which: models.PointsSelector) -> None:
        await self._connection.call(lambda client: client.delete(collection, which, wait=True))

    async def _count(self, collection: str, which: models.Filter | None = None) -> int:
        answer = await self._connection.call(
            lambda client: client.count(collection, count_filter=which, exact=True)
        )
        return answer.count


def _delete_stale_passages(video: EmbeddedVideo) -> models.UpdateOperation:
    """Delete the passages that remain of a longer version of a video."""
    video_id = video.record.video_id
    new: list[int | str | UUID] = [
        passage_point_id(video_id, ordinal) for ordinal in range(len(video.passages))
    ]
    stale = models.Filter(must=[of_video(video_id)], must_not=[models.HasIdCondition(has_id=new)])
    return models.DeleteOperation(delete=models.FilterSelector(filter=stale))


def _mark_as_complete(video: EmbeddedVideo) -> models.UpdateOperation:
    hashes = msgspec.to_builtins(video.stored)
    return models.SetPayloadOperation(
        set_payload=models.SetPayload(payload=hashes, points=[video_point_id(video.record.video_id)])
    )


def _mark_as_incomplete(video_ids: Iterable[str]) -> models.UpdateOperation:
    these = models.Filter(must=[of_videos(video_ids)])
    return models.SetPayloadOperation(set_payload=models.SetPayload(payload=INCOMPLETE, filter=these))


def _set_record(record: VideoRecord, stored: StoredVideo) -> models.UpdateOperation:
    shown = models.SetPayload(payload=shown_payload(record, stored), points=[video_point_id(record.video_id)])
    return models.SetPayloadOperation(set_payload=shown)


def _set_filter_fields(record: VideoRecord) -> models.UpdateOperation:
    owned = models.Filter(must=[of_video(record.video_id)])
    return models.SetPayloadOperation(
        set_payload=models.SetPayload(payload=filter_fields(record), filter=owned)
    )


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
