from collections.abc import AsyncIterator, Iterable, Sequence
from uuid import UUID

import pytest

from retrieval.errors import IndexUnavailableError
from retrieval.index.stored_records import passage_payload, passage_point_id, video_payload, video_point_id
from retrieval.index.whole_videos import StoredPoint, whole_videos
from retrieval.index.writing import EmbeddedVideo
from tests.support.embedded_videos import embedded, passage

pytestmark = pytest.mark.anyio

VIDEOS = [
    embedded(f"video {n}", (n, 0, 0, 0), passages=[passage((n, 0, m, 0), f"part {m}") for m in range(n)])
    for n in range(1, 9)
]


def video_points(videos: Iterable[EmbeddedVideo]) -> list[StoredPoint]:
    points = [
        StoredPoint(
            UUID(video_point_id(video.record.video_id)),
            video_payload(video.record, video.stored),
            video.vector,
            video.words,
        )
        for video in videos
    ]
    return sorted(points, key=lambda point: point.point_id)


def passage_points(videos: Iterable[EmbeddedVideo]) -> list[StoredPoint]:
    points = [
        StoredPoint(
            UUID(passage_point_id(video.record.video_id, n)),
            passage_payload(video.record, part),
            part.vector,
            part.words,
        )
        for video in videos
        for n, part in enumerate(video.passages)
    ]
    return sorted(points, key=lambda point: point.point_id)


async def iterated(points: Sequence[StoredPoint]) -> AsyncIterator[StoredPoint]:
    for point in points:
        yield point


async def joined(videos: Sequence[StoredPoint], passages: Sequence[StoredPoint]) -> list[EmbeddedVideo]:
    return [video async for video in whole_videos(iterated(videos), iterated(passages))]


async def test_integer_times_are_converted_to_floats() -> None:
    points = passage_points(VIDEOS[:1])
    points[0].payload.update(start=3, end=4)
    (video,) = await joined(video_points(VIDEOS[:1]), points)
    (part,) = video.passages
    assert [type(part.start), type(part.end)] == [float, float]


@pytest.mark.parametrize("at", range(8))
async def test_a_passage_without_its_video_is_an_error(at: int) -> None:
    videos = video_points(VIDEOS)
    del videos[at]
    with pytest.raises(IndexUnavailableError, match="belongs to no video in the index"):
        await joined(videos, passage_points(VIDEOS))


async def test_an_unreadable_record_is_an_error() -> None:
    videos = video_points(VIDEOS)
    del videos[3].payload["title"]
    with pytest.raises(IndexUnavailableError, match=f"The video of the point {videos[3].point_id} cannot be"):
        await joined(videos, passage_points(VIDEOS))


async def test_a_missing_passage_is_an_error() -> None:
    missing = UUID(passage_point_id("video 8", 3))
    passages = [point for point in passage_points(VIDEOS) if point.point_id != missing]
    with pytest.raises(IndexUnavailableError, match="Passages of the video video 8 are missing"):
        await joined(video_points(VIDEOS), passages)
