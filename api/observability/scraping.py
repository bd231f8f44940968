"""`/metrics`: the figures, for Prometheus."""

import asyncio
import contextlib

from litestar import Response, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import SkipValidation

from api.access.guard import ASKS_FOR_KEY, METRICS
from api.observability.metrics import METRICS_TEXT, Facts, Metrics
from api.observability.readiness import Readiness
from api.wire.errors import KeyInvalidError, KeyRequiredError, ScopeMissingError
from api.wire.problems import described
from retrieval.catalogue.manifest import Manifest
from retrieval.errors import VidsearchError
from retrieval.search.searcher import Searcher

_EXAMPLE = """\
# HELP vidsearch_index_videos Videos in the live index.
# TYPE vidsearch_index_videos gauge
vidsearch_index_videos 64.0
"""


class Scraper:
    """Writes down the figures and the facts of the moment, without waiting for any search."""

    def __init__(self, metrics: Metrics, searcher: Searcher, readiness: Readiness) -> None:
        """Know what to ask; nothing is asked yet."""
        self._metrics = metrics
        self._searcher = searcher
        self._readiness = readiness
        self._look: asyncio.Task[None] | None = None

    async def scrape(self) -> bytes:
        """Write everything down as METRICS_TEXT.

        Whether searches are answered is told as it was found before: a canary that has to wait must not keep
        the figures waiting that say why. The next scrape tells what is found now.
        """
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_again())
        return self._metrics.exposition(
            Facts(
                manifest=await self._manifest(),
                runs=await self._searcher.recent_runs(),
                is_ready=self._readiness.last_found,
            )
        )

    async def close(self) -> None:
        """Stop looking."""
        if self._look:
            self._look.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._look

    async def _manifest(self) -> Manifest | None:
        try:
            return await self._searcher.manifest()
        except VidsearchError:
            return None

    async def _look_again(self) -> None:
        # That there is a fault is what was to be found out, and who found it has logged it.
        with contextlib.suppress(VidsearchError):
            await self._readiness.check()


@get(
    "/metrics",
    operation_id="getMetrics",
    summary="What is measured",
    tags=["health"],
    media_type=METRICS_TEXT,
    cache_control=CacheControlHeader(no_store=True),
    opt=METRICS,
    security=ASKS_FOR_KEY,
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            description="Every figure, in Prometheus's text format.",
            media_type=METRICS_TEXT,
            examples=[Example(summary="One of them", value=_EXAMPLE)],
        ),
        **described(KeyRequiredError, KeyInvalidError, ScopeMissingError),
    },
)
async def metrics(scraper: NamedDependency[SkipValidation[Scraper]]) -> Response[bytes]:
    """Tell Prometheus every figure. On a port of its own where `METRICS_PORT` names one, and not here."""
    # Litestar adds the encoding to whatever is text.
    return Response(await scraper.scrape(), media_type=METRICS_TEXT.removesuffix("; charset=utf-8"))
