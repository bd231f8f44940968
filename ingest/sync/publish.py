"""Verify, then switch: how a version that was built comes to be live."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
import numpy as np

from ingest.errors import IngestError
from ingest.planning.gate import Gate, GateError, Refusal
from ingest.planning.rules import measure_canaries, next_peaks
from retrieval.catalogue.manifest import IndexCounts, Manifest, ModelIdentity, PassageSettings
from retrieval.catalogue.video import VideoRecord
from retrieval.index.reading import NO_FILTER, VideoIndex
from retrieval.index.store import IndexBuild
from retrieval.search.ranking import Query, rank_videos
from retrieval.text.lexical import weigh_query
from retrieval.text.vectors import DocumentEncoder, Embedding

_PROBES = 16
"""How many videos, evenly spread over the catalogue, a new version must find before it goes live."""

_CANARIES = 8
_STRICT = Gate()
_AMONG = 5
_SAME_POINT = 1e-2
"""The distance, of about 25 between unlike videos, below which two points are the same video's."""


async def publish(
    build: IndexBuild,
    *,
    counts: IndexCounts,
    encoder: DocumentEncoder,
    model: ModelIdentity,
    settings: PassageSettings,
    is_sample: bool,
    is_partial: bool = False,
    known: Mapping[str, str] = MappingProxyType({}),
    gate: Gate = _STRICT,
    refusals: Sequence[Refusal] = (),
    live: Manifest | None = None,
) -> Manifest:
    """Verify what a build's writer finished and make it the live version.

    `known` are titles that found their own videos before and should still, with those videos. `refusals` are
    what the gate found before and was told to accept, `live` the version that this one follows.
    Raises IngestError where it does not hold or does not find what it should, GateError where the gate
    refuses it; it is then not published.
    """
    now = datetime.now(UTC)
    manifest = Manifest(
        index_version=build.version,
        model=model,
        passage_settings=settings,
        counts=counts,
        built_at=now,
        is_sample=is_sample,
        is_partial=is_partial,
        accepted=tuple(sorted(gate.accepted)),
        tolerated={**(live.tolerated if live else {}), **gate.newly_tolerated(refusals)},
        peaks=next_peaks(live.peaks if live else {}, counts, gate.accepted, now),
    )
    index = await build.open(manifest)
    try:
        probes = await check_vectors(index, counts.videos)
        lost = [title for title, own in known.items() if not await _finds_title(index, encoder, title, own)]
        gate.check(gate.refusals_of(measure_canaries(lost, len(known))))
        manifest = _with_canaries(manifest, await _canaries(index, probes, encoder))
    except GateError as e:
        raise GateError(f"{e} {build.if_refused}", e.refusals) from e
    except IngestError as e:
        raise IngestError(f"{e} {build.if_refused}") from e
    finally:
        await index.close()
    await build.publish(manifest)
    return manifest


def check_counts(counts: IndexCounts, *, videos: int, if_refused: str) -> None:
    """Raise IngestError unless the new version holds as many videos as the plan says."""
    if counts.videos != videos:
        raise IngestError(
            f"The new version holds {counts.videos} videos and should hold {videos}. {if_refused} Run the "
            "same command again."
        )


async def check_vectors(index: VideoIndex, videos: int) -> list[VideoRecord]:
    """Raise IngestError unless videos from all over the catalogue are found by their own vectors.

    Returns those videos.
    """
    probes = await _probes(index, videos)
    dimension = index.manifest.model.dimension
    for video in probes:
        vector = await index.pair_vector(video.video_id)
        if vector is None or vector.shape != (2 * dimension,) or not np.isfinite(vector).all():
            raise IngestError(f"The new version has no usable vector for the video {video.video_id}.")
        nearest = await index.nearest_videos(vector, limit=1)
        if not nearest or nearest[0].distance > _SAME_POINT:
            raise IngestError(f"The new version does not find the video {video.video_id} by its own vector.")
    return probes


async def finds(index: VideoIndex, embedding: Embedding, title: str, video_id: str) -> bool:
    """Say whether a search for a title, of this embedding, puts a video among the first."""
    query = Query(embedding, weigh_query(title))
    ranked = await rank_videos(index, query, mode="hybrid", where=NO_FILTER, max_distance=None, until=_AMONG)
    return video_id in {hit.video_id for hit in ranked[:_AMONG]}


async def _probes(index: VideoIndex, videos: int) -> list[VideoRecord]:
    """Pick videos evenly from the whole catalogue."""
    every = max(videos // _PROBES, 1)
    probes: list[VideoRecord] = []
    cursor, seen = None, 0
    while len(probes) < _PROBES:
        page, cursor = await index.page(limit=1000, cursor=cursor)
        probes += [video for i, video in enumerate(page, start=seen) if i % every == 0]
        seen += len(page)
        if cursor is None:
            break
    return probes[:_PROBES]


async def _canaries(
    index: VideoIndex, probes: Iterable[VideoRecord], encoder: DocumentEncoder
) -> dict[str, str]:
    """Find titles whose search puts their own video among the first, with it; videos may share a title."""
    found: dict[str, str] = {}
    for video in probes:
        if await _finds_title(index, encoder, video.title_as_given, video.video_id):
            found.setdefault(video.title_as_given, video.video_id)
        if len(found) == _CANARIES:
            break
    return found


async def _finds_title(index: VideoIndex, encoder: DocumentEncoder, title: str, video_id: str) -> bool:
    return await finds(index, encoder.encode_documents([title])[0], title, video_id)


def _with_canaries(manifest: Manifest, canaries: Mapping[str, str]) -> Manifest:
    if manifest.counts.videos and not canaries:
        raise IngestError("The new version finds none of the videos it was asked for by their own titles.")
    return msgspec.structs.replace(manifest, canaries=tuple(canaries), canary_videos=tuple(canaries.values()))
