"""Health, for machines that poll: whether to restart the process, and whether to send it requests."""

from litestar import Response, route
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation

from api.access.guard import HEALTH
from api.observability.health import Expectations, check_health
from api.observability.readiness import Readiness
from api.routes.documentation import operation_id
from api.wire.errors import StoppingError
from api.wire.problems import NEEDS_INDEX, described
from api.wire.schemas import Health, Probe
from retrieval.search.searcher import Searcher

HEALTH_JSON = "application/health+json"

_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
# A proxy that keeps an old "pass" would hide a failure.
_NEVER_STORED = CacheControlHeader(no_store=True)


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
    "/startupz",
    opt=HEALTH,
    http_method=_METHODS,
    operation_id=operation_id("getStartup"),
    summary="Whether the service has started",
    tags=["health"],
    cache_control=_NEVER_STORED,
    responses=described(),
)
async def startupz() -> Probe:
    """Say that the model is loaded and the index, if there is one, was opened: the port opens only then."""
    return Probe(status="pass")


@route(
    "/readyz",
    http_method=_METHODS,
    operation_id=operation_id("getReadiness"),
    summary="Whether searches are answered",
    tags=["health"],
    opt=HEALTH,
    cache_control=_NEVER_STORED,
    responses=described(*NEEDS_INDEX, StoppingError),
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
            Health,
            generate_examples=False,
            description="Searches are not answered, or the service stops.",
            media_type=HEALTH_JSON,
        ),
        **described(),
    },
)
async def health(
    searcher: NamedDependency[SkipValidation[Searcher]],
    readiness: NamedDependency[SkipValidation[Readiness]],
    expected: NamedDependency[SkipValidation[Expectations]],
) -> Response[Health]:
    """Say how the service is, what index it serves, and how the last run that filled it ended."""
    found = await check_health(searcher, readiness, expected)
    return Response(found, status_code=503 if found.status == "fail" else 200)
