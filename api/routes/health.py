"""Health routes for machines that poll: whether to restart the process, and whether to send it requests."""

from functools import partial

from litestar import Response, route
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation

from api.observability.health import Expectations, check_health, manifest_if_any
from api.observability.readiness import Readiness
from api.routes.documentation import operation_id
from api.wire.errors import StoppingError, TaskEndedError
from api.wire.problems import NEEDS_INDEX, error_responses
from api.wire.route_properties import PROBE
from api.wire.schemas import Health, Probe
from retrieval.search.searcher import Searcher

HEALTH_JSON = "application/health+json"

_probe = partial(
    route,
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    tags=["health"],
    opt=PROBE.opt,
    # A proxy that stores an old "pass" would hide a failure.
    cache_control=CacheControlHeader(no_store=True),
)


@_probe(
    "/livez",
    operation_id=operation_id("getLiveness"),
    summary="Is the process answering?",
    responses=error_responses(),
)
async def livez() -> Probe:
    """Pass whenever the process answers, regardless of its index. If this fails, restart the process."""
    return Probe(status="pass")


@_probe(
    "/startupz",
    operation_id=operation_id("getStartup"),
    summary="Has the service started?",
    responses=error_responses(),
)
async def startupz() -> Probe:
    """Pass after the start: the port opens only after the model and the index, if any, were opened."""
    return Probe(status="pass")


@_probe(
    "/readyz",
    operation_id=operation_id("getReadiness"),
    summary="Are searches answered?",
    responses=error_responses(*NEEDS_INDEX, StoppingError, TaskEndedError),
)
async def readyz(readiness: NamedDependency[SkipValidation[Readiness]]) -> Probe:
    """Pass if a canary search within the last second took less than 500 ms."""
    await readiness.check()
    return Probe(status="pass")


@_probe(
    "/health",
    operation_id=operation_id("getHealth"),
    summary="Health report",
    media_type=HEALTH_JSON,
    responses={
        503: ResponseSpec(
            Health,
            generate_examples=False,
            description="Search is failing, or the service is stopping.",
            media_type=HEALTH_JSON,
        ),
        **error_responses(),
    },
)
async def health(
    searcher: NamedDependency[SkipValidation[Searcher]],
    readiness: NamedDependency[SkipValidation[Readiness]],
    expected: NamedDependency[SkipValidation[Expectations]],
) -> Response[Health]:
    """Report the health of the service, the index that it serves, and the outcome of the last ingest run."""
    manifest, runs = await manifest_if_any(searcher), await searcher.recent_runs()
    report = await check_health(readiness, expected, manifest, runs)
    return Response(report, status_code=503 if report.status == "fail" else 200)
