"""The three routes of the tutorial from which this product grew. Its clients work unchanged."""

from typing import Annotated, Any

from litestar import Request, Response, get, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter, SkipValidation

from api import __version__
from api.access.guard import ASKS_FOR_KEY
from api.pages.search_page import Choices, start_page
from api.routes.documentation import TEXT_EXAMPLE, AlsoPage, operation_id
from api.wire.negotiation import wants_page
from api.wire.parameters import check_query
from api.wire.problems import MAY_BE_REFUSED, NEEDS_INDEX, NEEDS_KEY, TAKES_QUERY, error_responses
from api.wire.query_string import check_query_string
from api.wire.responses import counts_info, model_info
from api.wire.route_properties import INFO, ROOT, SEARCH
from api.wire.schemas import ClassicAnswer, HealthCheck, Info
from retrieval.catalogue.manifest import Manifest
from retrieval.errors import IndexUnavailableError, OverloadedError
from retrieval.search.searcher import Searcher

NAME = "vidsearch"
DESCRIPTION = "Searches a catalogue of videos in plain language, and finds the moments in them."


@route(
    "/",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    operation_id=operation_id("getRoot"),
    tags=["classic"],
    summary="Check that the service is up",
    opt=ROOT.opt,
    operation_class=AlsoPage,
    responses={
        200: ResponseSpec(HealthCheck, generate_examples=False, description="The service is up."),
        **error_responses(OverloadedError, *MAY_BE_REFUSED),
    },
)
async def root(
    request: Request[Any, Any, Any], searcher: NamedDependency[SkipValidation[Searcher]], choices: Choices
) -> Response[Any]:
    """Report that the service is up. A browser, which prefers HTML, gets the search page."""
    if wants_page(request.scope):
        return await start_page(searcher, shows_catalogue=not choices.asks_for_key)
    return Response(HealthCheck(health_check="OK"))


@get(
    "/info",
    operation_id="getInfo",
    summary="What this service is",
    tags=["classic"],
    opt=INFO.opt,
    responses=error_responses(OverloadedError, *MAY_BE_REFUSED),
)
async def info(searcher: NamedDependency[SkipValidation[Searcher]]) -> Info:
    """Describe the service and its index. The fields of the index are null if there is none."""
    manifest = await _manifest(searcher)
    return Info(
        name=NAME,
        description=DESCRIPTION,
        version=__version__,
        model=model_info(manifest) if manifest else None,
        distance=manifest.distance if manifest else None,
        index_version=manifest.index_version if manifest else None,
        counts=counts_info(manifest) if manifest else None,
    )


@get(
    "/search",
    operation_id="searchClassic",
    summary="Find videos as in the tutorial",
    tags=["classic"],
    opt=SEARCH.opt,
    security=ASKS_FOR_KEY,
    guards=[check_query_string],
    responses={
        200: ResponseSpec(
            ClassicAnswer,
            generate_examples=False,
            description="Titles and ids as columns, nearest first.",
            examples=[
                Example(
                    value={
                        "title": ["What is a transformer?", "Attention"],
                        "video_id": ["tLf2bGhmWsI", "b2"],
                    }
                )
            ],
        ),
        **error_responses(*TAKES_QUERY, *NEEDS_INDEX, *NEEDS_KEY),
    },
)
async def classic_search(
    searcher: NamedDependency[SkipValidation[Searcher]],
    text: Annotated[
        str, QueryParameter(name="query", description="What to look for.", examples=[TEXT_EXAMPLE])
    ],
) -> ClassicAnswer:
    """Find at most 5 videos near the query by comparing whole transcripts, as in the tutorial."""
    videos = await searcher.classic(check_query(text))
    return ClassicAnswer(
        title=[video.title_as_given for video in videos], video_id=[video.video_id for video in videos]
    )


async def _manifest(searcher: Searcher) -> Manifest | None:
    try:
        return await searcher.manifest()
    except IndexUnavailableError:
        return None
