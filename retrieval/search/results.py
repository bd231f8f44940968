"""What the Searcher takes and returns."""

import msgspec

from retrieval.catalogue.video import VideoRecord
from retrieval.index.hits import Label, Moment
from retrieval.index.reading import NO_FILTER, SearchFilter
from retrieval.search.ranking import Mode


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One search, already checked: `offset + limit` is at most RANKED_VIDEOS."""

    text: str
    limit: int = 10
    offset: int = 0
    moments: int = 3
    mode: Mode = "hybrid"
    max_distance: float | None = None
    where: SearchFilter = NO_FILTER


class FoundVideo(msgspec.Struct, frozen=True):
    """One video of a result, best moments first.

    `distance` is the Manhattan distance of its nearest passage. It is None, as are the distances of the
    moments, if the query was not embedded.
    """

    record: VideoRecord
    distance: float | None
    moments: tuple[Moment, ...]


class SearchResult(msgspec.Struct, frozen=True):
    """The videos of one search, all from the version `index_version`.

    `is_degraded`: a hybrid search is answered from words alone because its query was not embedded in time.
    """

    index_version: str
    videos: tuple[FoundVideo, ...]
    is_degraded: bool = False


class CataloguePage(msgspec.Struct, frozen=True):
    """One page of the catalogue. `cursor` is None on the last page."""

    index_version: str
    videos: tuple[VideoRecord, ...]
    cursor: str | None


class CatalogueLabels(msgspec.Struct, frozen=True):
    """The channels and languages of the catalogue with their numbers of videos, most frequent first.

    At most 200 of each.
    """

    channels: tuple[Label, ...]
    languages: tuple[Label, ...]
