"""The three routes of the tutorial this product grew from, so that its clients need no change."""

from typing import Annotated, Any

from litestar import Request, Response, get, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter, SkipValidation

from api import __version__
from api.access.guard import ASKS_FOR_KEY, MAY_BE_REFUSED, NEEDS_KEY, OPEN, SEARCH
from api.pages.pages import wants_page
from api.pages.search_page import Choices, start_page
from api.routes.documentation import TEXT_EXAMPLE, AlsoPage, operation_id
from api.wire.answers import shape_counts, shape_model
from api.wire.parameters import check_query
from api.wire.problems import NEEDS_INDEX, TAKES_QUERY, described
from api.wire.query_string import check_query_string
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
    summary="Say that the service is up",
    opt=OPEN,
    operation_class=AlsoPage,
    responses={
        200: ResponseSpec(HealthCheck, generate_examples=False, description="It is up."),
        **described(OverloadedError, *MAY_BE_REFUSED),
    },
)
async def root(
    request: Request[Any, Any, Any], searcher: NamedDependency[SkipValidation[Searcher]], choices: Choices
) -> Response[Any]:
    """Say that the service is up; to a browser, which asks for HTML first, show the search page."""
    if wants_page(request.scope):
        return await start_page(searcher, shows_catalogue=not choices.asks_for_key)
    return Response(HealthCheck(health_check="OK"))


@get(
    "/info",
    operation_id="getInfo",
    summary="What this service is",
    tags=["classic"],
    opt=OPEN,
    responses=described(OverloadedError, *MAY_BE_REFUSED),
)
async def info(searcher: NamedDependency[SkipValidation[Searcher]]) -> Info:
    """Say what this service is and what its index holds; null where there is no index yet."""
    manifest = await _manifest(searcher)
    return Info(
        name=NAME,
        description=DESCRIPTION,
        version=__version__,
        model=shape_model(manifest) if manifest else None,
        distance=manifest.distance if manifest else None,
        index_version=manifest.index_version if manifest else None,
        counts=shape_counts(manifest) if manifest else None,
    )


@get(
    "/search",
    operation_id="searchClassic",
    summary="Find videos, as the tutorial does",
    tags=["classic"],
    opt=SEARCH,
    security=ASKS_FOR_KEY,
    guards=[check_query_string],
    responses={
        200: ResponseSpec(
            ClassicAnswer,
            generate_examples=False,
            description="Titles and ids by column, nearest first.",
            examples=[
                Example(
                    value={
                        "title": ["What is a transformer?", "Attention"],
                        "video_id": ["tLf2bGhmWsI", "b2"],
                    }
                )
            ],
        ),
        **described(*TAKES_QUERY, *NEEDS_INDEX, *NEEDS_KEY),
    },
)
async def classic_search(
    searcher: NamedDependency[SkipValidation[Searcher]],
    text: Annotated[
        str, QueryParameter(name="query", description="What to look for.", examples=[TEXT_EXAMPLE])
    ],
) -> ClassicAnswer:
    """Find at most 5 videos near the query, whole transcripts compared, as the tutorial does."""
    videos = await searcher.classic(check_query(text))
    return ClassicAnswer(
        title=[video.title_as_given for video in videos], video_id=[video.video_id for video in videos]
    )


async def _manifest(searcher: Searcher) -> Manifest | None:
    try:
        return await searcher.manifest()
    except IndexUnavailableError:
        return None
