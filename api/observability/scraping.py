"""`/metrics`: the metrics for Prometheus."""

from litestar import Response, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import SkipValidation

from api.access.guard import ASKS_FOR_KEY
from api.observability.index_metrics import Facts
from api.observability.metrics import METRICS_TEXT, Metrics
from api.observability.readiness import Readiness
from api.wire.errors import KeyInvalidError, KeyRequiredError, ScopeMissingError
from api.wire.problems import error_responses
from api.wire.route_properties import METRICS
from retrieval.catalogue.manifest import Manifest
from retrieval.errors import VidsearchError
from retrieval.search.searcher import Searcher

_EXAMPLE = """\
# HELP vidsearch_index_videos Videos in the live index.
# TYPE vidsearch_index_videos gauge
vidsearch_index_videos 64.0
"""


class Scraper:
    """Writes the metrics and the current facts, without waiting for a search."""

    def __init__(self, metrics: Metrics, searcher: Searcher, readiness: Readiness) -> None:
        self._metrics = metrics
        self._searcher = searcher
        self._readiness = readiness

    async def scrape(self) -> bytes:
        """Write everything as METRICS_TEXT.

        Readiness is the result of the last canary search. A canary search that hangs must not delay the
        metrics that show the cause. The next scrape reports the result of the search that this one starts.
        """
        self._readiness.poll()
        return self._metrics.exposition(
            Facts(
                manifest=await self._manifest(),
                runs=await self._searcher.recent_runs(),
                is_ready=self._readiness.last_result,
            )
        )

    async def _manifest(self) -> Manifest | None:
        try:
            return await self._searcher.manifest()
        except VidsearchError:
            return None


@get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    tags=["health"],
    media_type=METRICS_TEXT,
    cache_control=CacheControlHeader(no_store=True),
    opt=METRICS.opt,
    security=ASKS_FOR_KEY,
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            description="All metrics, in Prometheus's text format.",
            media_type=METRICS_TEXT,
            examples=[Example(summary="One metric", value=_EXAMPLE)],
        ),
        **error_responses(KeyRequiredError, KeyInvalidError, ScopeMissingError),
    },
)
async def metrics(scraper: NamedDependency[SkipValidation[Scraper]]) -> Response[bytes]:
    """Return all metrics. If `METRICS_PORT` is set, they are on that port only."""
    # Litestar adds the encoding to the media type of text.
    return Response(await scraper.scrape(), media_type=METRICS_TEXT.removesuffix("; charset=utf-8"))
