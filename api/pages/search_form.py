"""What the search page's form asks for: its checks, and the address that says it again. Pure."""

from datetime import date, timedelta
from urllib.parse import quote, urlencode

import msgspec

from api.wire.parameters import to_request
from api.wire.schemas import LONGEST_QUERY, SearchParameters
from retrieval.search.ranking import RANKED_VIDEOS, Mode
from retrieval.search.searcher import SearchRequest

SEARCH_PATH = "/app/search"
VIDEO_PATH = "/app/videos/"

PAGE_VIDEOS = 10
PAGE_MOMENTS = 3
LAST_OFFSET = RANKED_VIDEOS - PAGE_VIDEOS


class SearchForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as they were sent; a plain form sends the empty ones too, and they mean nothing.

    `published_before` is a day that counts, as people mean it, where the API leaves it out.
    """

    query: str = ""
    mode: Mode = "hybrid"
    channel: str = ""
    language: str = ""
    published_after: str = ""
    published_before: str = ""
    offset: int = 0

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.query.strip())

    @property
    def filters(self) -> int:
        """How many of the filters are set."""
        chosen = (self.channel, self.language, self.published_after, self.published_before)
        return sum(map(bool, chosen)) + (self.mode != "hybrid")

    @property
    def longest_query(self) -> int:
        """How many characters a query may have."""
        return LONGEST_QUERY

    def to_request(self) -> SearchRequest:
        """Check it, and ask for one video more than a page shows. Raises a RequestError."""
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
        """Give the address of this search, with these fields changed; what is usual is left out."""
        usual = SearchForm()
        told = msgspec.structs.asdict(msgspec.structs.replace(self, **changes))
        sent = {name: value for name, value in told.items() if value != getattr(usual, name)}
        return f"{SEARCH_PATH}?{urlencode(sent, quote_via=quote)}" if sent else SEARCH_PATH

    @property
    def without_filters(self) -> str:
        """Give the address of this query alone."""
        return SearchForm(query=self.query).address()

    def video_address(self, video_id: str) -> str:
        """Give the address of one video's page, with its moments for this query."""
        page = f"{VIDEO_PATH}{quote(video_id, safe='')}"
        return f"{page}?{urlencode({'query': self.query}, quote_via=quote)}" if self.asks else page


def day_after(text: str) -> str:
    """Give the day after a date; whatever is no plain date as it is, for others to judge."""
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return text
