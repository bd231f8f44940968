"""Builds the response bodies from the results of the searcher."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec

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
from retrieval.catalogue.links import moment_url
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
from retrieval.index.hits import Moment
from retrieval.search.results import CataloguePage, FoundVideo, SearchRequest, SearchResult

AddressOf = Callable[[VideoRecord], str | None]
"""Makes the address of a video for one request (`api.media.addresses`)."""

DISTANCE_DECIMALS = 4


def search_answer(
    request: SearchRequest, result: SearchResult, started: float, address_of: AddressOf
) -> SearchAnswer:
    """Build the response to a search. `started` is the value of `perf_counter` when it began."""
    return SearchAnswer(
        query=request.text,
        mode=request.mode,
        degraded="lexical" if result.is_degraded else None,
        **_shared(result, started, address_of),
    )


def inside_answer(text: str, result: SearchResult, started: float, address_of: AddressOf) -> InsideAnswer:
    """Build the response to a search inside one video."""
    return InsideAnswer(query=text, **_shared(result, started, address_of))


def similar_answer(
    video_id: str, result: SearchResult, started: float, address_of: AddressOf
) -> SimilarAnswer:
    """Build the response with the nearest videos to `video_id`."""
    return SimilarAnswer(video_id=video_id, **_shared(result, started, address_of))


def catalogue_answer(page: CataloguePage, address_of: AddressOf) -> CatalogueAnswer:
    """Build a page of the catalogue."""
    return CatalogueAnswer(
        index_version=page.index_version,
        videos=[catalogue_video(record, address_of) for record in page.videos],
        next_cursor=page.cursor,
    )


def catalogue_video(record: VideoRecord, address_of: AddressOf) -> CatalogueVideo:
    """Build one video of the catalogue."""
    video = msgspec.convert(record, CatalogueVideo, from_attributes=True)
    return msgspec.structs.replace(video, url=address_of(record))


def model_info(manifest: Manifest) -> ModelInfo:
    """Describe the model of an index."""
    return msgspec.convert(manifest.model, ModelInfo, from_attributes=True)


def counts_info(manifest: Manifest) -> CountsInfo:
    """Describe the size of an index."""
    return msgspec.convert(manifest.counts, CountsInfo, from_attributes=True)


def index_health(manifest: Manifest) -> IndexHealth:
    """Describe an index for `/health`."""
    counts = msgspec.structs.asdict(manifest.counts)
    return IndexHealth(version=manifest.index_version, built_at=manifest.built_at, **counts)


def _shared(result: SearchResult, started: float, address_of: AddressOf) -> dict[str, Any]:
    """Return the fields that all answers to searches have."""
    return {
        "index_version": result.index_version,
        "took_ms": round((perf_counter() - started) * 1000, 2),
        "videos": [_video_answer(video, address_of(video.record)) for video in result.videos],
    }


def _video_answer(video: FoundVideo, url: str | None) -> VideoAnswer:
    record = video.record
    return VideoAnswer(
        video_id=record.video_id,
        title=record.title,
        url=url,
        channel=record.channel,
        published_at=record.published_at,
        thumbnail_url=record.thumbnail_url,
        distance=_rounded(video.distance),
        moments=[
            _moment_answer(moment, moment.text, url) for moment in video.moments if moment.text is not None
        ],
    )


def _moment_answer(moment: Moment, text: str, url: str | None) -> MomentAnswer:
    return MomentAnswer(
        start=moment.start,
        end=moment.end,
        text=text,
        url=moment_url(url, moment.start),
        distance=_rounded(moment.distance),
    )


def _rounded(distance: float | None) -> float | None:
    return None if distance is None else round(distance, DISTANCE_DECIMALS)
