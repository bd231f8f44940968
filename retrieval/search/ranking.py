"""How the videos of an answer, and the moments in them, are put in order.

Two kinds of evidence speak for a video. Its distance says how near its best passage is in meaning; its
relevance (BM25) says how much it has of the query's words. A hybrid search adds them up, for each
video on its own: a score does not depend on which other videos were considered, so pages are consistent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from retrieval.index.reading import Moment, PassageHit, SearchFilter, VideoIndex
from retrieval.search.asking import ask_together
from retrieval.search.observer import UNOBSERVED, SearchObserver, observed
from retrieval.text.vectors import Embedding, SparseVector

Mode = Literal["hybrid", "semantic", "lexical"]

RANKED_VIDEOS = 200
"""How deep a ranking goes."""

_USUAL_NEAREST = 12
_USUAL_MATCHING = 32
"""How many videos each leg proposes at first; more only for a page that lies deeper."""

_PASSAGES_COMPARED = 12
"""Among how many of a video's nearest passages its moments are chosen, at least."""


_NO_WORDS = SparseVector((), ())


class Query(msgspec.Struct, frozen=True):
    """A query as the index understands it.

    Without an embedding it is answered by its words alone, whatever the mode, and no distance is told.
    """

    embedding: Embedding | None
    words: SparseVector


class RankedVideo(msgspec.Struct, frozen=True):
    """A video of an answer, with the distance of its nearest passage if the query has an embedding."""

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
    """Rank videos, best first, at least `until` of them where there are so many; ties by video id.

    A deeper ranking continues a shallower one: its first part is the same, so that pages of one query
    neither repeat nor drop a video.
    """

    async def rank(nearest: int, matching: int) -> list[RankedVideo]:
        return await _rank(
            index, query, mode, where, max_distance, nearest=nearest, matching=matching, observer=observer
        )

    usual = await rank(_USUAL_NEAREST, _USUAL_MATCHING)
    if until <= len(usual):
        return usual
    deep = await rank(RANKED_VIDEOS, RANKED_VIDEOS)
    first = {hit.video_id for hit in usual}
    return usual + [hit for hit in deep if hit.video_id not in first]


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
    """Choose up to `limit` moments of each video, best first; one without a transcript has none.

    By words alone only passages that have any of them are moments.
    """
    if not limit:
        return dict.fromkeys(video_ids, ())
    among = max(_PASSAGES_COMPARED, 2 * limit)
    if mode == "lexical" or query.embedding is None:
        with observer.stage("lexical"):
            passages = await index.matching_passages(
                query.words, video_ids, limit=among, query=query.embedding
            )
    else:
        words = _NO_WORDS if mode == "semantic" else query.words
        with observer.stage("vector"):
            passages = await index.passages_of(query.embedding, words, video_ids, among=among)
    with observer.stage("fuse"):
        chosen = {
            video_id: sorted(
                (hit for hit in hits if _is_within(hit.distance, max_distance)),
                key=lambda hit: (-_strength(hit, mode), hit.distance or 0.0),
            )[:limit]
            for video_id, hits in passages.items()
        }
    told = await index.moments([hit for hits in chosen.values() for hit in hits])
    return {
        video_id: tuple(
            told[hit.passage_id]
            for hit in chosen.get(video_id, ())
            if hit.passage_id in told and told[hit.passage_id].text is not None
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
    if mode == "lexical" or query.embedding is None:
        return await _rank_by_words(index, query, where, max_distance, matching=matching, observer=observer)
    if mode == "semantic":
        with observer.stage("vector"):
            hits = await index.nearest_by_passage(
                query.embedding, limit=nearest, where=where, max_distance=max_distance
            )
        return [RankedVideo(hit.video_id, hit.distance) for hit in hits]
    relevance, near = await ask_together(
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
    lacking, farther_off = sorted(distances.keys() - relevance), sorted(relevance.keys() - distances)
    more, passage_relevance, farther = await ask_together(
        index,
        observed(observer, "lexical", index.relevance_of, query.words, lacking),
        observed(observer, "lexical", index.passage_relevance_of, query.words, list(relevance | distances)),
        observed(observer, "vector", index.distances_of, query.embedding, farther_off),
    )
    relevance |= more
    distances |= farther

    def strength(video_id: str) -> float:
        return evidence(
            distance=distances[video_id],
            video_relevance=relevance.get(video_id, 0.0),
            passage_relevance=passage_relevance.get(video_id, 0.0),
        )

    with observer.stage("fuse"):
        return _in_order(distances, strength, max_distance)


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
        return _in_order(distances, relevance.__getitem__, max_distance)


def _in_order(
    distances: Mapping[str, float | None], strength: Callable[[str], float], max_distance: float | None
) -> list[RankedVideo]:
    order = sorted(distances, key=lambda video_id: (-strength(video_id), video_id))
    return [
        RankedVideo(video_id, distances[video_id])
        for video_id in order
        if _is_within(distances[video_id], max_distance)
    ]


def _is_within(distance: float | None, max_distance: float | None) -> bool:
    return max_distance is None or (distance is not None and distance < max_distance)


def _strength(hit: PassageHit, mode: Mode) -> float:
    if mode == "lexical" or hit.distance is None:
        return hit.relevance
    if mode == "semantic":
        return -hit.distance
    return evidence(distance=hit.distance, passage_relevance=hit.relevance)


VIDEO_WORDS = 0.5
PASSAGE_WORDS = 0.3
"""How much distance one point of BM25 relevance is worth, of a video's words and of its best passage's.

Chosen on held-out halves of three query sets and by leaving whole sets out (docs/decisions/0002). They lie on
a plateau: half or twice of either changes little.
"""


def evidence(*, distance: float, video_relevance: float = 0.0, passage_relevance: float = 0.0) -> float:
    """Say how strongly a query means a video, or a passage: higher is better.

    `distance` is Manhattan, the relevances are BM25. Each keeps its own absolute scale, so words that tell
    little change little (a convex combination; see Bruch, Gai and Ingber, "An Analysis of Fusion Functions
    for Hybrid Retrieval", 2023). Ranks, or scores normalised over the list, would give the best of some poor
    matches as much weight as a good one.
    """
    return VIDEO_WORDS * video_relevance + PASSAGE_WORDS * passage_relevance - distance
