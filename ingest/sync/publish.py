"""Verifies a new version and makes it the live one."""

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
from retrieval.catalogue.wording import counted
from retrieval.index.reading import NO_FILTER, VideoIndex
from retrieval.index.store import IndexBuild
from retrieval.search.ranking import Query, rank_videos
from retrieval.text.lexical import weigh_query
from retrieval.text.vectors import DocumentEncoder, Embedding

_PROBES = 16
"""The number of videos, evenly spread over the catalogue, that a new version must find."""

_CANARIES = 8
"""The number of titles that later versions must find again."""

_STRICT = Gate()
_FIRST_RESULTS = 5
"""A search for a title must return its own video among this many results."""

_SAME_POINT = 1e-2
"""Points closer than this belong to the same video. The distance of different videos is about 25."""


async def publish(
    build: IndexBuild,
    *,
    counts: IndexCounts,
    encoder: DocumentEncoder,
    model: ModelIdentity,
    settings: PassageSettings,
    is_sample: bool,
    is_partial: bool = False,
    timed_transcripts: int | None = None,
    known: Mapping[str, str] = MappingProxyType({}),
    gate: Gate = _STRICT,
    refusals: Sequence[Refusal] = (),
    live: Manifest | None = None,
) -> Manifest:
    """Verify a finished build and make it the live version.

    `known` maps titles that found their own videos before to those videos; they must be found again.
    `refusals` are the broken rules that were accepted, `live` the version that this one replaces.
    Raises IngestError if the version does not contain or find the right videos, GateError if the gate refuses
    it. The version is then not published.
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
        timed_transcripts=timed_transcripts,
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
    """Raise IngestError unless the new version contains as many videos as planned."""
    if counts.videos != videos:
        raise IngestError(
            f"The new version contains {counted(counts.videos, 'video')} instead of {videos:,}. {if_refused} "
            "Run the same command again."
        )


async def check_vectors(index: VideoIndex, videos: int) -> list[VideoRecord]:
    """Check that videos from the whole catalogue are found by their own vectors, and return those videos.

    Raises IngestError if one is not found.
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
    """Return whether a search for a title with this embedding returns the video among the first results."""
    query = Query(embedding, weigh_query(title))
    ranked = await rank_videos(
        index, query, mode="hybrid", where=NO_FILTER, max_distance=None, until=_FIRST_RESULTS
    )
    return video_id in {hit.video_id for hit in ranked[:_FIRST_RESULTS]}


async def _probes(index: VideoIndex, videos: int) -> list[VideoRecord]:
    """Select videos evenly from the whole catalogue."""
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
    """Return titles that find their own video, with its id. Videos may share a title."""
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
        raise IngestError("No video in the new version is found by its own title.")
    return msgspec.structs.replace(manifest, canaries=tuple(canaries), canary_videos=tuple(canaries.values()))
