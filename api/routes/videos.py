"""`/v1/videos`: the catalogue, one video, and searches around one video."""

from functools import partial
from time import perf_counter
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, SkipValidation

from api.access.guard import ASKS_FOR_KEY
from api.media.addresses import Addresses
from api.routes.search import QueryText, VideoLimit
from api.wire.parameters import check_query
from api.wire.paths import decode_video_id
from api.wire.problems import NEEDS_INDEX, NEEDS_KEY, TAKES_PARAMETERS, TAKES_QUERY, error_responses
from api.wire.query_string import check_query_string
from api.wire.responses import catalogue_answer, catalogue_video, inside_answer, similar_answer
from api.wire.route_properties import CATALOGUE, SEARCH
from api.wire.schemas import LARGEST_PAGE, CatalogueAnswer, CatalogueVideo, InsideAnswer, SimilarAnswer
from retrieval.errors import VideoNotFoundError
from retrieval.search.searcher import Searcher

_get = partial(get, tags=["videos"], security=ASKS_FOR_KEY, guards=[check_query_string])

VideoId = Annotated[str, PathParameter(description="A video id. Encode a slash in it as %2F.")]


@_get(
    "/v1/videos",
    operation_id="listVideos",
    summary="List the catalogue",
    opt=CATALOGUE.opt,
    responses=error_responses(*TAKES_PARAMETERS, *NEEDS_INDEX, *NEEDS_KEY),
)
async def list_videos(
    searcher: NamedDependency[SkipValidation[Searcher]],
    addresses: Addresses,
    limit: Annotated[
        int, QueryParameter(ge=1, le=LARGEST_PAGE, description="Maximum number of videos on a page.")
    ] = 20,
    cursor: Annotated[
        str | None,
        QueryParameter(description="The `next_cursor` of the previous page; omit it for the first page."),
    ] = None,
) -> CatalogueAnswer:
    """List the catalogue in pages. The order is stable."""
    return catalogue_answer(await searcher.catalogue(limit=limit, cursor=cursor), addresses)


@_get(
    "/v1/videos/{video_id:str}",
    operation_id="getVideo",
    summary="Get one video",
    opt=CATALOGUE.opt,
    responses=error_responses(*TAKES_PARAMETERS, *NEEDS_INDEX, *NEEDS_KEY, VideoNotFoundError),
)
async def get_video(
    searcher: NamedDependency[SkipValidation[Searcher]], addresses: Addresses, video_id: VideoId
) -> CatalogueVideo:
    """Return one video of the catalogue."""
    return catalogue_video(await searcher.video(decode_video_id(video_id)), addresses)


@_get(
    "/v1/videos/{video_id:str}/search",
    operation_id="searchVideo",
    summary="Find moments inside one video",
    opt=SEARCH.opt,
    responses=error_responses(*TAKES_QUERY, *NEEDS_INDEX, *NEEDS_KEY, VideoNotFoundError),
)
async def search_video(
    searcher: NamedDependency[SkipValidation[Searcher]],
    addresses: Addresses,
    video_id: VideoId,
    text: QueryText,
    limit: VideoLimit = 10,
) -> InsideAnswer:
    """Find the moments inside one video that match the query."""
    started = perf_counter()
    query = check_query(text)
    result = await searcher.search_inside(decode_video_id(video_id), query, limit=limit)
    return inside_answer(query, result, started, addresses)


@_get(
    "/v1/videos/{video_id:str}/similar",
    operation_id="listSimilarVideos",
    summary="Find similar videos",
    opt=CATALOGUE.opt,
    responses=error_responses(*TAKES_PARAMETERS, *NEEDS_INDEX, *NEEDS_KEY, VideoNotFoundError),
)
async def similar_videos(
    searcher: NamedDependency[SkipValidation[Searcher]],
    addresses: Addresses,
    video_id: VideoId,
    limit: VideoLimit = 10,
) -> SimilarAnswer:
    """Find the videos nearest to this one, by title and transcript."""
    started = perf_counter()
    whole_id = decode_video_id(video_id)
    return similar_answer(whole_id, await searcher.similar(whole_id, limit=limit), started, addresses)
