"""The form of the search page: its fields, its filter lists, and the address of a search. Pure."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from urllib.parse import quote, urlencode

import msgspec

from api.pages.wording import LONGEST_CHANNEL, cut, language_name
from api.wire.parameters import to_request
from api.wire.schemas import LONGEST_QUERY, SearchParameters
from retrieval.index.hits import Label
from retrieval.search.ranking import RANKED_VIDEOS, Mode
from retrieval.search.results import CatalogueLabels, SearchRequest

SEARCH_PATH = "/app/search"
VIDEO_PATH = "/app/videos/"

PAGE_VIDEOS = 10
PAGE_MOMENTS = 3
LAST_OFFSET = RANKED_VIDEOS - PAGE_VIDEOS

MODES: dict[Mode, str] = {"hybrid": "Meaning and words", "semantic": "Meaning", "lexical": "Words"}

NO_LABELS = CatalogueLabels((), ())


class SearchForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as they were sent. An HTML form also sends empty fields; they are ignored.

    The day in `published_before` is included, as people expect. The API excludes it.
    """

    query: str = ""
    mode: Mode = "hybrid"
    channel: str = ""
    language: str = ""
    published_after: str = ""
    published_before: str = ""
    offset: int = 0

    @property
    def has_query(self) -> bool:
        """Whether the query is more than blanks."""
        return bool(self.query.strip())

    @property
    def active_filters(self) -> int:
        """The number of filters that are set."""
        chosen = (self.channel, self.language, self.published_after, self.published_before)
        return sum(map(bool, chosen)) + (self.mode != "hybrid")

    @property
    def longest_query(self) -> int:
        """The maximum length of a query, in characters."""
        return LONGEST_QUERY

    def to_request(self) -> SearchRequest:
        """Validate the fields, and request one video more than a page shows. Raises RequestError."""
        return to_request(
            SearchParameters(
                query=self.query,
                limit=min(PAGE_VIDEOS + 1, RANKED_VIDEOS - self.offset),
                offset=self.offset,
                moments=PAGE_MOMENTS,
                mode=self.mode,
                channel=self.channel or None,
                language=self.language or None,
                published_after=self.published_after or None,
                published_before=day_after(self.published_before) or None,
            )
        )

    def address(self, **changes: object) -> str:
        """Return the address of this search with some fields changed. Default values are left out."""
        defaults = SearchForm()
        fields = msgspec.structs.asdict(msgspec.structs.replace(self, **changes))
        sent = {name: value for name, value in fields.items() if value != getattr(defaults, name)}
        return f"{SEARCH_PATH}?{urlencode(sent, quote_via=quote)}" if sent else SEARCH_PATH

    @property
    def address_without_filters(self) -> str:
        """The address of a search for this query alone."""
        return SearchForm(query=self.query).address()

    def video_address(self, video_id: str) -> str:
        """Return the address of a video's page, which lists its moments for this query."""
        page = f"{VIDEO_PATH}{quote(video_id, safe='')}"
        return f"{page}?{urlencode({'query': self.query}, quote_via=quote)}" if self.has_query else page


class Option(msgspec.Struct, frozen=True):
    """One entry of a filter list."""

    value: str
    label: str
    is_chosen: bool


class FilterLists(msgspec.Struct, frozen=True):
    """The entries of the form's three lists."""

    modes: tuple[Option, ...]
    channels: tuple[Option, ...]
    languages: tuple[Option, ...]


def list_filters(labels: CatalogueLabels, form: SearchForm) -> FilterLists:
    """List modes, channels and languages. A chosen value is listed even if the catalogue lacks it."""
    return FilterLists(
        tuple(Option(mode, name, mode == form.mode) for mode, name in MODES.items()),
        _options(labels.channels, form.channel, lambda channel: cut(channel, LONGEST_CHANNEL)),
        _options(labels.languages, form.language, language_name),
    )


def day_after(text: str) -> str:
    """Return the day after an ISO date. Any other text is returned unchanged, for `to_request` to refuse."""
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return text


def _options(labels: Iterable[Label], chosen: str, name: Callable[[str], str]) -> tuple[Option, ...]:
    options = [
        Option(label.value, f"{name(label.value)} ({label.videos:,})", label.value == chosen)
        for label in labels
    ]
    if chosen and not any(option.is_chosen for option in options):
        options.append(Option(chosen, name(chosen), is_chosen=True))
    return tuple(sorted(options, key=lambda option: option.label.casefold()))
