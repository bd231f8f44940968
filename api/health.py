"""Health, for machines that poll: whether to restart the process, and whether to send it requests."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from litestar import Response, route
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation

from api import __version__
from api.access import HEALTH
from api.documentation import operation_id
from api.problems import NEEDS_INDEX, described
from api.schemas import Health, Probe
from api.shapes import shape_index_health
from retrieval.errors import IndexUnavailableError, OverloadedError, VidsearchError
from retrieval.search import Searcher

CHECK_SECONDS = 0.5
KEPT_SECONDS = 1.0
HEALTH_JSON = "application/health+json"

_logger = logging.getLogger(__name__)
_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
# A proxy that keeps an old "pass" would hide a failure.
_NEVER_STORED = CacheControlHeader(no_store=True)


class Readiness:
    """Whether searches are answered, asked at most once a second however many poll it."""

    def __init__(self, searcher: Searcher, *, clock: Callable[[], float] = monotonic) -> None:
        self._searcher = searcher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._fault: VidsearchError | None = None
        self._asked_at: float | None = None

    async def check(self) -> None:
        """Raise unless a canary search was answered within 500 ms, at most a second ago.

        Raises IndexUnavailableError or OverloadedError.
        """
        async with self._turn:
            # Those who waited for their turn find the answer of the one before them.
            if self._asked_at is None or self._clock() - self._asked_at >= KEPT_SECONDS:
                await self._ask()
        if self._fault is not None:
            # Without the traceback of an earlier request, which raising the same error again would add to.
            raise self._fault.with_traceback(None)

    async def _ask(self) -> None:
        was_ready = self._fault is None
        began = self._clock()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._searcher.check()
            # An embedded engine answers on this very thread, where no timeout can interrupt it.
            if self._clock() - began > CHECK_SECONDS:
                raise TimeoutError  # noqa: TRY301
            self._fault = None
        except TimeoutError:
            self._fault = IndexUnavailableError(f"No answer to a canary query within {CHECK_SECONDS} s.")
        except (IndexUnavailableError, OverloadedError) as error:
            self._fault = error
        self._asked_at = self._clock()
        if was_ready is not (self._fault is None):
            _logger.warning("Ready again." if self._fault is None else f"Not ready: {self._fault}")


@route(
    "/livez",
    http_method=_METHODS,
    operation_id=operation_id("getLiveness"),
    summary="Whether the process answers",
    tags=["health"],
    opt=HEALTH,
    cache_control=_NEVER_STORED,
    responses=described(),
)
async def livez() -> Probe:
    """Say that the process answers, whatever state its index is in. Restart it when this fails."""
    return Probe(status="pass")


@route(
    "/readyz",
    http_method=_METHODS,
    operation_id=operation_id("getReadiness"),
    summary="Whether searches are answered",
    tags=["health"],
    opt=HEALTH,
    cache_control=_NEVER_STORED,
    responses=described(*NEEDS_INDEX),
)
async def readyz(readiness: NamedDependency[SkipValidation[Readiness]]) -> Probe:
    """Say that searches are answered: a canary query was, within 500 ms, in the last second."""
    await readiness.check()
    return Probe(status="pass")


@route(
    "/health",
    http_method=_METHODS,
    operation_id=operation_id("getHealth"),
    summary="How the service is",
    tags=["health"],
    opt=HEALTH,
    media_type=HEALTH_JSON,
    cache_control=_NEVER_STORED,
    responses={
        503: ResponseSpec(
            Health, generate_examples=False, description="Searches are not answered.", media_type=HEALTH_JSON
        ),
        **described(),
    },
)
async def health(
    searcher: NamedDependency[SkipValidation[Searcher]],
    readiness: NamedDependency[SkipValidation[Readiness]],
) -> Response[Health]:
    """Say how the service is and what index it serves."""
    try:
        await readiness.check()
        manifest = await searcher.manifest()
    except (IndexUnavailableError, OverloadedError):
        return Response(Health(status="fail", version=__version__, index=None), status_code=503)
    return Response(Health(status="pass", version=__version__, index=shape_index_health(manifest)))
