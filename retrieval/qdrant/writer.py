"""The server engine's writing side, which may write into the version that is being searched.

A reader never finds a video missing, and a run that is stopped anywhere loses and doubles nothing. So a
video is written in this order: its own point, marked as not whole; its new passages, over the old ones where
there were as many; then the old passages that are left over are deleted; and last the mark is taken off. A
video is removed in the order: mark, passages, its own point. Every write is acknowledged before the next, and
repeating one changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from qdrant_client import AsyncQdrantClient, models

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
from retrieval.index.writing import EmbeddedVideo, StoredVideo
from retrieval.qdrant.connection import QdrantConnection
from retrieval.qdrant.stored_records import (
    NOT_WHOLE,
    of_video,
    of_videos,
    passage_points,
    payload_of,
    video_point,
)

_POINTS_A_CALL = 128
"""About 1.5 MB as JSON; the server takes 32 MB. A talk of ten hours has more passages than that allows."""

_CHANGES_A_CALL = 100
_VIDEOS_A_CALL = 500
_SCROLL = 1000

_STATUS_SECONDS = 1.0
_LOOKS_AT_STATUS = 600

_T = TypeVar("_T")


class QdrantWriter:
    """An IndexWriter over the two collections of one generation."""

    def __init__(self, connection: QdrantConnection, collections: Mapping[str, str]) -> None:
        """Write into the collections of these names, by what they hold."""
        self._connection = connection
        self._videos = collections[VIDEOS]
        self._passages = collections[PASSAGES]

    async def stored_videos(self) -> dict[str, StoredVideo]:
        """Say what the index already holds, by video id; what is not whole has no content hash."""
        fields = ["video_id", *StoredVideo.__struct_fields__]
        return {payload["video_id"]: stored_of(payload) async for payload in self._payloads(fields)}

    async def write(self, videos: Sequence[EmbeddedVideo]) -> None:
        """Add these videos or replace them; no passage of an earlier version stays."""
        there_before = await self._points_of(videos)
        await self._upsert(self._videos, map(video_point, videos))
        await self._upsert(self._passages, (point for video in videos for point in passage_points(video)))
        replaced = (video for video in videos if video_point_id(video.record.video_id) in there_before)
        await self._change(self._passages, map(_delete_stale_passages, replaced))
        await self._change(self._videos, map(_mark_as_whole, videos))

    async def write_records(self, records: Sequence[tuple[VideoRecord, StoredVideo]]) -> None:
        """Replace what is shown of videos the index holds; their embeddings and passages stay."""
        await self._change(self._passages, (_set_filter_fields(record) for record, _ in records))
        await self._change(self._videos, (_set_record(record, stored) for record, stored in records))

    async def delete(self, video_ids: Sequence[str]) -> None:
        """Remove these videos with all their passages."""
        for some in _chunks(video_ids, _VIDEOS_A_CALL):
            passages = models.FilterSelector(filter=models.Filter(must=[of_videos(some)]))
            points = models.PointIdsList(points=[video_point_id(video_id) for video_id in some])
            await self._change(self._videos, [_mark_as_not_whole(some)])
            await self._delete(self._passages, passages)
            await self._delete(self._videos, points)

    async def counts(self) -> IndexCounts:
        """Count what the index holds now."""
        has_passages = models.FieldCondition(key="passages", range=models.Range(gt=0))
        return IndexCounts(
            videos=await self._count(self._videos),
            passages=await self._count(self._passages),
            videos_with_transcript=await self._count(self._videos, models.Filter(must=[has_passages])),
        )

    async def finish(self) -> None:
        """Wait until the server has built its graphs, a while at most: it goes on by itself after that."""
        for collection in (self._videos, self._passages):
            for _ in range(_LOOKS_AT_STATUS):
                if not await self._is_optimizing(collection):
                    break
                await asyncio.sleep(_STATUS_SECONDS)

    async def _is_optimizing(self, collection: str) -> bool:
        info = await self._connection.call(lambda client: client.get_collection(collection))
        if info.status is models.CollectionStatus.RED:
            raise IndexUnavailableError(
                f"Qdrant cannot optimize the collection {collection}: {info.optimizer_status}"
            )
        return info.status is models.CollectionStatus.YELLOW

    async def _points_of(self, videos: Sequence[EmbeddedVideo]) -> set[str]:
        """Say which of these videos the index holds, whole or not, by point id."""
        ids = [video_point_id(video.record.video_id) for video in videos]
        if not ids:
            return set()
        found = await self._connection.call(
            lambda client: client.retrieve(self._videos, ids, with_payload=False, with_vectors=False)
        )
        return {str(point.id) for point in found}

    async def _upsert(self, collection: str, points: Iterable[models.PointStruct]) -> None:
        for some in _chunks(points, _POINTS_A_CALL):
            await self._connection.call(partial(_upsert, collection=collection, points=some))

    async def _change(self, collection: str, operations: Iterable[models.UpdateOperation]) -> None:
        for some in _chunks(operations, _CHANGES_A_CALL):
            await self._connection.call(partial(_change, collection=collection, operations=some))

    async def _delete(self, collection: str, which: models.PointsSelector) -> None:
        await self._connection.call(lambda client: client.delete(collection, which, wait=True))

    async def _count(self, collection: str, which: models.Filter | None = None) -> int:
        answer = await self._connection.call(
            lambda client: client.count(collection, count_filter=which, exact=True)
        )
        return answer.count

    async def _payloads(self, fields: list[str]) -> AsyncIterator[dict[str, str]]:
        following = None
        while True:
            page = partial(_scroll, collection=self._videos, offset=following, fields=fields)
            points, following = await self._connection.call(page)
            for point in points:
                yield payload_of(point)
            if following is None:
                return


async def _upsert(client: AsyncQdrantClient, collection: str, points: list[models.PointStruct]) -> None:
    await client.upsert(collection, points, wait=True)


async def _change(
    client: AsyncQdrantClient, collection: str, operations: list[models.UpdateOperation]
) -> None:
    await client.batch_update_points(collection, operations, wait=True)


async def _scroll(client: AsyncQdrantClient, collection: str, offset: Any, fields: list[str]) -> Any:
    return await client.scroll(collection, offset=offset, limit=_SCROLL, with_payload=fields)


def _delete_stale_passages(video: EmbeddedVideo) -> models.UpdateOperation:
    """Delete what is left of a longer version of a video."""
    video_id = video.record.video_id
    new: list[int | str | UUID] = [
        passage_point_id(video_id, ordinal) for ordinal in range(len(video.passages))
    ]
    stale = models.Filter(must=[of_video(video_id)], must_not=[models.HasIdCondition(has_id=new)])
    return models.DeleteOperation(delete=models.FilterSelector(filter=stale))


def _mark_as_whole(video: EmbeddedVideo) -> models.UpdateOperation:
    hashes = msgspec.to_builtins(video.stored)
    return models.SetPayloadOperation(
        set_payload=models.SetPayload(payload=hashes, points=[video_point_id(video.record.video_id)])
    )


def _mark_as_not_whole(video_ids: Iterable[str]) -> models.UpdateOperation:
    these = models.Filter(must=[of_videos(video_ids)])
    return models.SetPayloadOperation(set_payload=models.SetPayload(payload=NOT_WHOLE, filter=these))


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
