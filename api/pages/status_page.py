"""The routes of the status page, for people. Programs poll `/health`."""

from datetime import UTC, datetime

from litestar import get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Template

from api.access.live_keys import LiveKeys
from api.observability.health import Expectations, check_health, manifest_if_any
from api.observability.readiness import Readiness
from api.observability.recent_searches import RecentSearches
from api.pages.activity_view import ActivityView, view_activity
from api.pages.status_view import Activity, StatusView, view_status
from api.wire.route_properties import STATUS_ACTIVITY, STATUS_PAGE
from retrieval.search.searcher import Searcher

# The page shows the current state, so no copy of it may be reused.
_NEVER_STORED = CacheControlHeader(no_store=True)


class StatusReader:
    """Reads the data of the page.

    The activity of the last hour has the same audience as `/metrics`. If the service requires keys, it takes
    a key with the scope metrics. If metrics have their own port, `has_metrics` is False and the page
    leaves it out.
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
        self._searcher = searcher
        self._readiness = readiness
        self._expected = expected
        self._recent = recent
        self._keys = keys
        self._has_metrics = has_metrics

    async def status(self) -> StatusView:
        """Read the public part of the page."""
        manifest, runs = await manifest_if_any(self._searcher), await self._searcher.recent_runs()
        health = await check_health(self._readiness, self._expected, manifest, runs)
        return view_status(
            health,
            runs,
            self._visible_activity(),
            datetime.now(UTC),
            timed_transcripts=manifest.timed_transcripts if manifest else None,
        )

    def activity(self) -> ActivityView:
        """Read the last hour's searches."""
        return view_activity(self._recent.hour())

    def _visible_activity(self) -> Activity:
        if not self._has_metrics:
            return "on-metrics-port"
        return "requires-key" if self._keys.required else self.activity()


@get("/status", opt=STATUS_PAGE.opt, cache_control=_NEVER_STORED, include_in_schema=False)
async def status_page(status_reader: NamedDependency[SkipValidation[StatusReader]]) -> Template:
    """Show the state of the service. The response is 200 even if search is failing."""
    return Template("status.html", context={"status": await status_reader.status()})


@get("/status/activity", opt=STATUS_ACTIVITY.opt, cache_control=_NEVER_STORED, include_in_schema=False)
async def status_activity(status_reader: NamedDependency[SkipValidation[StatusReader]]) -> Template:
    """Show the part of the page that may require a key."""
    return Template("activity.html", context={"activity": status_reader.activity()})
