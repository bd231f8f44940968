"""`/metrics`: the metrics for Prometheus."""

from litestar import Response, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import SkipValidation

from api.access.guard import ASKS_FOR_KEY
from api.observability.health import manifest_if_any
from api.observability.index_metrics import Facts
from api.observability.metrics import METRICS_TEXT, Metrics
from api.observability.readiness import Readiness
from api.wire.errors import KeyInvalidError, KeyRequiredError, ScopeMissingError
from api.wire.problems import error_responses
from api.wire.route_properties import METRICS
from retrieval.search.searcher import Searcher

_EXAMPLE = """\
# HELP vidsearch_index_videos Videos in the live index.
# TYPE vidsearch_index_videos gauge
vidsearch_index_videos 64.0
"""


async def scrape(metrics: Metrics, searcher: Searcher, readiness: Readiness) -> bytes:
    """Write the metrics and the current facts as METRICS_TEXT, without waiting for a search.

    Readiness is the result of the last canary search. A canary search that hangs must not delay the metrics
    that show the cause. The next scrape reports the result of the search that this one starts.
    """
    readiness.poll()
    return metrics.exposition(
        Facts(
            manifest=await manifest_if_any(searcher),
            runs=await searcher.recent_runs(),
            is_ready=readiness.last_result,
        )
    )


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
async def metrics_route(
    metrics: NamedDependency[SkipValidation[Metrics]],
    searcher: NamedDependency[SkipValidation[Searcher]],
    readiness: NamedDependency[SkipValidation[Readiness]],
) -> Response[bytes]:
    """Return all metrics. If `METRICS_PORT` is set, they are on that port only."""
    text = await scrape(metrics, searcher, readiness)
    # Litestar adds the encoding to the media type of text.
    return Response(text, media_type=METRICS_TEXT.removesuffix("; charset=utf-8"))
