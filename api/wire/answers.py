"""Turns what search found into what goes over the wire."""

from time import perf_counter

from api.wire.schemas import (
    CatalogueAnswer,
    CatalogueVideo,
    CountsInfo,
    IndexHealth,
    InsideAnswer,
    ModelInfo,
    MomentAnswer,
    SearchAnswer,
    SimilarAnswer,
    VideoAnswer,
)
from retrieval.catalogue.links import moment_url, watch_url
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
from retrieval.index.hits import Moment
from retrieval.search.results import CataloguePage, FoundVideo, SearchRequest, SearchResult

DISTANCE_DECIMALS = 4


def shape_search(request: SearchRequest, result: SearchResult, started: float) -> SearchAnswer:
    """Shape the answer to a search that started at `started` of the performance counter."""
    return SearchAnswer(
        query=request.text,
        mode=request.mode,
        index_version=result.index_version,
        took_ms=_took_ms(started),
        degraded="lexical" if result.is_degraded else None,
        videos=[_shape_found(video) for video in result.videos],
    )


def shape_inside(text: str, result: SearchResult, started: float) -> InsideAnswer:
    """Shape the answer to a search inside one video."""
    return InsideAnswer(
        query=text,
        index_version=result.index_version,
        took_ms=_took_ms(started),
        videos=[_shape_found(video) for video in result.videos],
    )


def shape_similar(video_id: str, result: SearchResult, started: float) -> SimilarAnswer:
    """Shape the nearest videos to one."""
    return SimilarAnswer(
        video_id=video_id,
        index_version=result.index_version,
        took_ms=_took_ms(started),
        videos=[_shape_found(video) for video in result.videos],
    )


def shape_page(page: CataloguePage) -> CatalogueAnswer:
    """Shape a page of the catalogue."""
    return CatalogueAnswer(
        index_version=page.index_version,
        videos=[shape_record(record) for record in page.videos],
        next_cursor=page.cursor,
    )


def shape_record(record: VideoRecord) -> CatalogueVideo:
    """Shape one video of the catalogue."""
    return CatalogueVideo(
        video_id=record.video_id,
        title=record.title,
        url=watch_url(record.video_id, record.url),
        channel=record.channel,
        published_at=record.published_at,
        thumbnail_url=record.thumbnail_url,
        language=record.language,
        duration=record.duration,
        tags=record.tags,
        passages=record.passages,
        has_transcript=record.has_transcript,
    )


def shape_model(manifest: Manifest) -> ModelInfo:
    """Shape the identity of an index's model."""
    model = manifest.model
    return ModelInfo(name=model.name, dimension=model.dimension, weights_sha256=model.weights_sha256)


def shape_counts(manifest: Manifest) -> CountsInfo:
    """Shape how much an index holds."""
    counts = manifest.counts
    return CountsInfo(
        videos=counts.videos, passages=counts.passages, videos_with_transcript=counts.videos_with_transcript
    )


def shape_index_health(manifest: Manifest) -> IndexHealth:
    """Shape what a health check says of an index."""
    counts = manifest.counts
    return IndexHealth(
        version=manifest.index_version,
        built_at=manifest.built_at,
        videos=counts.videos,
        passages=counts.passages,
        videos_with_transcript=counts.videos_with_transcript,
    )


def _shape_found(video: FoundVideo) -> VideoAnswer:
    record = video.record
    url = watch_url(record.video_id, record.url)
    return VideoAnswer(
        video_id=record.video_id,
        title=record.title,
        url=url,
        channel=record.channel,
        published_at=record.published_at,
        thumbnail_url=record.thumbnail_url,
        distance=_rounded(video.distance),
        moments=[
            _shape_moment(moment, moment.text, url) for moment in video.moments if moment.text is not None
        ],
    )


def _shape_moment(moment: Moment, text: str, url: str | None) -> MomentAnswer:
    return MomentAnswer(
        start=moment.start,
        end=moment.end,
        text=text,
        url=moment_url(url, moment.start),
        distance=_rounded(moment.distance),
    )


def _rounded(distance: float | None) -> float | None:
    return None if distance is None else round(distance, DISTANCE_DECIMALS)


def _took_ms(started: float) -> float:
    return round((perf_counter() - started) * 1000, 2)
