"""The order of the videos of a result, and of the moments within a video.

A video is ranked by the distance of its nearest passage, by the BM25 relevance of its words, or by a fusion
of both. A score depends only on the video and the query, not on the other candidates, so that the pages of
one query are consistent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from retrieval.index.hits import Moment, PassageHit
from retrieval.index.reading import SearchFilter, VideoIndex
from retrieval.search.concurrency import gather_if_remote
from retrieval.search.fusion import fused_score
from retrieval.search.observer import UNOBSERVED, SearchObserver, observed
from retrieval.text.vectors import Embedding, SparseVector

Mode = Literal["hybrid", "semantic", "lexical"]

RANKED_VIDEOS = 200
"""The maximum number of videos in a ranking."""

_FIRST_NEAREST = 12
_FIRST_MATCHING = 32
"""The numbers of candidates by distance and by words at first. Only a deeper page asks for more."""

_PASSAGE_CANDIDATES = 12
"""The minimum number of passages per video from which its moments are chosen."""

_NO_WORDS = SparseVector((), ())


class Query(msgspec.Struct, frozen=True):
    """A query as the index takes it.

    Without an embedding, every mode ranks by words alone, and all distances are None.
    """

    embedding: Embedding | None
    words: SparseVector


class RankedVideo(msgspec.Struct, frozen=True):
    """A video of a ranking, with the distance of its nearest passage if the query has an embedding."""

    video_id: str
    distance: float | None


async def rank_videos(
    index: VideoIndex,
    query: Query,
    *,
    mode: Mode,
    where: SearchFilter,
    max_distance: float | None,
    until: int,
    observer: SearchObserver = UNOBSERVED,
) -> list[RankedVideo]:
    """Return at least `until` videos if that many are found, best first, ties by video id.

    A deeper ranking starts with the shallower one, so that the pages of one query neither repeat nor lose a
    video.
    """

    async def rank(nearest: int, matching: int) -> list[RankedVideo]:
        return await _rank(
            index, query, mode, where, max_distance, nearest=nearest, matching=matching, observer=observer
        )

    shallow = await rank(_FIRST_NEAREST, _FIRST_MATCHING)
    if until <= len(shallow):
        return shallow
    deep = await rank(RANKED_VIDEOS, RANKED_VIDEOS)
    first = {hit.video_id for hit in shallow}
    return shallow + [hit for hit in deep if hit.video_id not in first]


async def best_moments(
    index: VideoIndex,
    query: Query,
    video_ids: Sequence[str],
    mode: Mode,
    *,
    limit: int,
    max_distance: float | None = None,
    observer: SearchObserver = UNOBSERVED,
) -> dict[str, tuple[Moment, ...]]:
    """Return up to `limit` moments of each video, best first; none for a video without a transcript.

    If words alone decide, a passage without any of them is no moment.
    """
    if not limit:
        return dict.fromkeys(video_ids, ())
    candidates = max(_PASSAGE_CANDIDATES, 2 * limit)
    if mode == "lexical" or query.embedding is None:
        with observer.stage("lexical"):
            passages = await index.matching_passages(
                query.words, video_ids, limit=candidates, query=query.embedding
            )
    else:
        words = _NO_WORDS if mode == "semantic" else query.words
        with observer.stage("vector"):
            passages = await index.passages_of(query.embedding, words, video_ids, among=candidates)
    with observer.stage("fuse"):
        chosen = {
            video_id: sorted(
                (hit for hit in hits if _is_within(hit.distance, max_distance)),
                key=lambda hit: (-_passage_score(hit, mode), hit.distance or 0.0),
            )[:limit]
            for video_id, hits in passages.items()
        }
    moments = await index.moments([hit for hits in chosen.values() for hit in hits])
    return {
        video_id: tuple(
            moments[hit.passage_id]
            for hit in chosen.get(video_id, ())
            if hit.passage_id in moments and moments[hit.passage_id].text is not None
        )
        for video_id in video_ids
    }


async def _rank(
    index: VideoIndex,
    query: Query,
    mode: Mode,
    where: SearchFilter,
    max_distance: float | None,
    *,
    nearest: int,
    matching: int,
    observer: SearchObserver,
) -> list[RankedVideo]:
    """Rank the `nearest` videos by distance and the `matching` videos by words."""
    if mode == "lexical" or query.embedding is None:
        return await _rank_by_words(index, query, where, max_distance, matching=matching, observer=observer)
    if mode == "semantic":
        with observer.stage("vector"):
            hits = await index.nearest_by_passage(
                query.embedding, limit=nearest, where=where, max_distance=max_distance
            )
        return [RankedVideo(hit.video_id, hit.distance) for hit in hits]
    relevance, near = await gather_if_remote(
        index,
        observed(observer, "lexical", index.matching_videos, query.words, limit=matching, where=where),
        observed(
            observer,
            "vector",
            index.nearest_by_passage,
            query.embedding,
            limit=nearest,
            where=where,
            max_distance=max_distance,
        ),
    )
    distances = {hit.video_id: hit.distance for hit in near}
    # Each candidate gets the values that the search which found it did not return.
    without_relevance = sorted(distances.keys() - relevance)
    without_distance = sorted(relevance.keys() - distances)
    more_relevance, passage_relevance, more_distances = await gather_if_remote(
        index,
        observed(observer, "lexical", index.relevance_of, query.words, without_relevance),
        observed(observer, "lexical", index.passage_relevance_of, query.words, list(relevance | distances)),
        observed(observer, "vector", index.distances_of, query.embedding, without_distance),
    )
    relevance |= more_relevance
    distances |= more_distances

    def score(video_id: str) -> float:
        return fused_score(
            distance=distances[video_id],
            video_relevance=relevance.get(video_id, 0.0),
            passage_relevance=passage_relevance.get(video_id, 0.0),
        )

    with observer.stage("fuse"):
        return _sorted_by_score(distances, score, max_distance)


async def _rank_by_words(
    index: VideoIndex,
    query: Query,
    where: SearchFilter,
    max_distance: float | None,
    *,
    matching: int,
    observer: SearchObserver,
) -> list[RankedVideo]:
    with observer.stage("lexical"):
        relevance = await index.matching_videos(query.words, limit=matching, where=where)
    distances: Mapping[str, float | None] = dict.fromkeys(relevance)
    if query.embedding is not None:
        with observer.stage("vector"):
            distances = await index.distances_of(query.embedding, list(relevance))
    with observer.stage("fuse"):
        return _sorted_by_score(distances, relevance.__getitem__, max_distance)


def _sorted_by_score(
    distances: Mapping[str, float | None], score: Callable[[str], float], max_distance: float | None
) -> list[RankedVideo]:
    order = sorted(distances, key=lambda video_id: (-score(video_id), video_id))
    return [
        RankedVideo(video_id, distances[video_id])
        for video_id in order
        if _is_within(distances[video_id], max_distance)
    ]


def _is_within(distance: float | None, max_distance: float | None) -> bool:
    return max_distance is None or (distance is not None and distance < max_distance)


def _passage_score(hit: PassageHit, mode: Mode) -> float:
    if mode == "lexical" or hit.distance is None:
        return hit.relevance
    if mode == "semantic":
        return -hit.distance
    return fused_score(distance=hit.distance, passage_relevance=hit.relevance)
