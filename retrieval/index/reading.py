"""The read side of an index, implemented once over the driver of an engine.

Distances are Manhattan: lower is closer. A threshold is strict: a hit at exactly `max_distance` is not a
hit. Every list of hits is in ascending order of distance, ties by video id, unless its docstring says
otherwise.

One collection's vectors are `[title ; text]`, two embeddings end to end. Manhattan distance is additive
over coordinates, so with `[query ; query]` its distance is the sum of the two halves' distances.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from retrieval.catalogue.languages import matches_language
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
from retrieval.errors import CursorError
from retrieval.index.driver import IndexDriver, PointFilter
from retrieval.index.hits import Label, LabelField, Moment, PassageHit, VideoHit
from retrieval.index.stored_records import MOMENT_FIELDS, PASSAGES, VIDEOS, record_of, video_point_id
from retrieval.text.vectors import Embedding, PairVector, SparseVector, pair

_TIES = 16
"""How many videos beyond the limit are read, so that videos at equal distance are cut by video id."""

_MAX_LANGUAGES = 1000
"""How many of a catalogue's languages a filter is compared with."""


class SearchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a video must be to count; None means any.

    `published_after` is inclusive and `published_before` exclusive, both timezone-aware; a video without
    a date passes neither. `channel` matches exactly. `language` matches its regional variants too, in any
    case: `en` and `EN` find videos in `en` and `en-GB`.
    """

    published_after: datetime | None = None
    published_before: datetime | None = None
    channel: str | None = None
    language: str | None = None


NO_FILTER = SearchFilter()


class VideoIndex:
    """One version of the catalogue, open for reading.

    An embedded version never changes while it is open. On a server, a run writes in place, so a video or a
    passage that one call found may be gone at the next call; it is then absent from that result.

    Every method raises IndexUnavailableError if the engine does not answer.
    """

    def __init__(self, driver: IndexDriver, manifest: Manifest) -> None:
        """Read through this driver, which is closed with the index. `manifest` describes the version.

        `is_remote`: calls cross the network, so that independent calls should run concurrently.
        """
        self.manifest = manifest
        self.is_remote = driver.is_remote
        self._driver = driver
        self._languages: Sequence[str] | None = None

    async def nearest_videos(
        self, vector: PairVector, *, limit: int, max_distance: float | None = None
    ) -> list[VideoHit]:
        """Find the videos whose `[title ; transcript]` is nearest to `vector`."""
        found = await self._driver.search(VIDEOS, vector, limit=limit + _TIES, max_distance=max_distance)
        return _in_order(found)[:limit]

    async def nearest_by_passage(
        self,
        query: Embedding,
        *,
        limit: int,
        where: SearchFilter = NO_FILTER,
        max_distance: float | None = None,
    ) -> list[VideoHit]:
        """Find the videos with the passages nearest to the query; a hit's distance is its best passage's."""
        found = await self._driver.search(
            PASSAGES, pair(query), limit=limit, where=await self._filter(where), max_distance=max_distance
        )
        return _in_order(found)[:limit]

    async def distances_of(self, query: Embedding, video_ids: Sequence[str]) -> dict[str, float]:
        """Measure the nearest passage of each of these videos; an id the index does not hold is absent."""
        return await self._driver.best_each(pair(query), video_ids) if video_ids else {}

    async def passages_of(
        self, query: Embedding, words: SparseVector, video_ids: Sequence[str], *, among: int
    ) -> dict[str, list[PassageHit]]:
        """Find the `among` nearest passages of each of these videos, nearest first.

        An id the index does not hold is absent.
        """
        if not video_ids:
            return {}
        near = await self._driver.search_each(pair(query), video_ids, limit=among)
        relevance = await self._driver.score(words, _passages_in(near)) if words.indices and near else {}
        return {
            video_id: [
                PassageHit(passage, distance, relevance.get(passage, 0.0)) for passage, distance in hits
            ]
            for video_id, hits in near.items()
        }

    async def matching_passages(
        self, words: SparseVector, video_ids: Sequence[str], *, limit: int, query: Embedding | None = None
    ) -> dict[str, list[PassageHit]]:
        """Find the passages of each of these videos that share words with the query, most relevant first.

        At most `limit` of each; a video with none is absent. Their distances are those to `query`, if given.
        """
        if not words.indices or not video_ids:
            return {}
        matching = await self._driver.search_each(words, video_ids, limit=limit)
        if query is None or not matching:
            return {
                video_id: [PassageHit(passage, None, relevance) for passage, relevance in hits]
                for video_id, hits in matching.items()
            }
        distances = await self._driver.score(pair(query), _passages_in(matching))
        return {
            # A passage that a run replaced between the two calls has no distance, and is left out.
            video_id: [PassageHit(p, distances[p], relevance) for p, relevance in hits if p in distances]
            for video_id, hits in matching.items()
        }

    async def moments(self, hits: Sequence[PassageHit]) -> dict[UUID, Moment]:
        """Fetch the texts and times of these passages, by passage id; one that is gone since is absent."""
        if not hits:
            return {}
        payloads = await self._driver.fetch(PASSAGES, [hit.passage_id for hit in hits], fields=MOMENT_FIELDS)
        return {
            hit.passage_id: Moment(
                payload.get("start"), payload.get("end"), payload.get("text"), hit.distance
            )
            for hit in hits
            if (payload := payloads.get(hit.passage_id)) is not None
        }

    async def matching_videos(
        self, words: SparseVector, *, limit: int, where: SearchFilter = NO_FILTER
    ) -> dict[str, float]:
        """Find the videos that share words with the query, with their BM25 relevance: higher is better.

        A video that shares no word is absent. At most `limit`, the most relevant.
        """
        if not words.indices:
            return {}
        return await self._driver.search(VIDEOS, words, limit=limit, where=await self._filter(where))

    async def relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Return the relevance of these videos to the words; one that shares none is absent."""
        if not words.indices or not video_ids:
            return {}
        these = PointFilter((("video_id", video_ids),))
        return await self._driver.search(VIDEOS, words, limit=len(video_ids), where=these)

    async def passage_relevance_of(self, words: SparseVector, video_ids: Sequence[str]) -> dict[str, float]:
        """Return the relevance of each video's most relevant passage; one that shares no word is absent."""
        return await self._driver.best_each(words, video_ids) if words.indices and video_ids else {}

    async def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRecord]:
        """Fetch these videos' records; an id the index does not hold is absent."""
        if not video_ids:
            return {}
        payloads = await self._driver.fetch(VIDEOS, [video_point_id(video_id) for video_id in video_ids])
        return {payload["video_id"]: record_of(payload) for payload in payloads.values()}

    async def pair_vector(self, video_id: str) -> PairVector | None:
        """Fetch a video's `[title ; transcript]`, or None if the index does not hold the video."""
        return await self._driver.fetch_vector(video_point_id(video_id))

    async def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[VideoRecord], str | None]:
        """List the catalogue in a fixed order: a page, and the cursor of the next one or None at the end.

        Raises CursorError for a cursor that no page returned.
        """
        payloads, following = await self._driver.page(start=_page_start(cursor), limit=limit)
        return [record_of(payload) for payload in payloads], following.hex if following else None

    async def labels(self, field: LabelField, *, limit: int) -> list[Label]:
        """Count the videos of each channel or language: the most frequent first, ties by the value.

        At most `limit`, which is at least 1. A video without the value is not counted; one that a run has not
        finished is, as a page lists it.
        """
        # The engines cut their results in this same order. They also count values that only removed points
        # had, as 0.
        labels = [Label(*counted) for counted in await self._driver.facet(field, limit=limit) if counted[1]]
        return sorted(labels, key=lambda label: (-label.videos, label.value))

    async def close(self) -> None:
        """Close the engine; no method may be called afterwards."""
        await self._driver.close()

    async def _filter(self, where: SearchFilter) -> PointFilter | None:
        if where == NO_FILTER:
            return None
        values: list[tuple[str, Sequence[str]]] = []
        if where.channel is not None:
            values.append(("channel", [where.channel]))
        if where.language is not None:
            values.append(("language", await self._variants_of(where.language)))
        return PointFilter(tuple(values), where.published_after, where.published_before)

    async def _variants_of(self, language: str) -> Sequence[str]:
        """Return the tag and those of its variants that the version holds.

        The languages of a finished version are read once.
        """
        languages = self._languages
        if languages is None:
            languages = [tag for tag, _ in await self._driver.facet("language", limit=_MAX_LANGUAGES)]
            if not self.manifest.is_partial:
                self._languages = languages
        return sorted({language, *(tag for tag in languages if matches_language(tag, language))})


def _in_order(found: Mapping[str, float]) -> list[VideoHit]:
    return sorted((VideoHit(*hit) for hit in found.items()), key=lambda hit: (hit.distance, hit.video_id))


def _passages_in(found: Mapping[str, Iterable[tuple[UUID, float]]]) -> set[UUID]:
    return {passage for hits in found.values() for passage, _ in hits}


def _page_start(cursor: str | None) -> UUID | None:
    try:
        return UUID(hex=cursor) if cursor else None
    except ValueError as e:
        raise CursorError("The cursor is not one that a page of this catalogue returned.") from e
