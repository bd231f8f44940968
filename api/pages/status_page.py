"""`/status`: how the service is, for people who look rather than poll."""

from datetime import UTC, datetime

from litestar import get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Template

from api.access.guard import METRICS, PAGES
from api.access.live_keys import LiveKeys
from api.observability.health import Expectations, check_health
from api.observability.readiness import Readiness
from api.observability.recent_searches import RecentSearches
from api.pages.activity_view import ActivityView, view_activity
from api.pages.status_view import Activity, StatusView, view_status
from retrieval.search.searcher import Searcher

# What is shown is of this moment.
_NEVER_STORED = CacheControlHeader(no_store=True)


class StatusReader:
    """Reads what the page shows.

    The last hour's searches are what `/metrics` tells too, and for the same people: who has a key of scope
    metrics, where keys are asked for, and nobody here where `has_metrics` says that figures have a port of
    their own.
    """

    def __init__(
        self,
        searcher: Searcher,
        readiness: Readiness,
        expected: Expectations,
        *,
        recent: RecentSearches,
        keys: LiveKeys,
        has_metrics: bool,
    ) -> None:
        """Know what to ask; nothing is asked yet."""
        self._searcher = searcher
        self._readiness = readiness
        self._expected = expected
        self._recent = recent
        self._keys = keys
        self._has_metrics = has_metrics

    async def status(self) -> StatusView:
        """Read everything that anybody may see."""
        health = await check_health(self._searcher, self._readiness, self._expected)
        runs = await self._searcher.recent_runs()
        return view_status(health, runs, self._shown_activity(), datetime.now(UTC))

    def activity(self) -> ActivityView:
        """Read the last hour's searches."""
        return view_activity(self._recent.hour())

    def _shown_activity(self) -> Activity:
        if not self._has_metrics:
            return "elsewhere"
        return "asks-for-key" if self._keys.asked_for else self.activity()


@get("/status", opt=PAGES, cache_control=_NEVER_STORED, include_in_schema=False)
async def status_page(status_reader: NamedDependency[SkipValidation[StatusReader]]) -> Template:
    """Show how the service is. It is answered with 200 also when searches fail, which it is about."""
    return Template("status.html", context={"status": await status_reader.status()})


@get("/status/activity", opt=METRICS, cache_control=_NEVER_STORED, include_in_schema=False)
async def status_activity(status_reader: NamedDependency[SkipValidation[StatusReader]]) -> Template:
    """Show the part of the page that takes a key."""
    return Template("activity.html", context={"activity": status_reader.activity()})
