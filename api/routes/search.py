"""`/v1/search` and `/v1/search/batch`."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, QueryParameter, SkipValidation

from api.access.guard import ASKS_FOR_KEY
from api.access.rate_limits import count_searches
from api.media.addresses import Addresses, VideoAddresses
from api.routes.documentation import SEARCH_EXAMPLE, TEXT_EXAMPLE
from api.wire.bodies import JsonRequest, check_body
from api.wire.errors import BodyTooSlowError, UnsupportedBodyError
from api.wire.parameters import to_request
from api.wire.problems import NEEDS_INDEX, NEEDS_KEY, TAKES_QUERY, error_responses
from api.wire.query_string import check_query_string
from api.wire.responses import search_answer
from api.wire.route_properties import SEARCH
from api.wire.schemas import (
    LARGEST_BATCH,
    LONGEST_QUERY,
    MOST_MOMENTS,
    MOST_VIDEOS,
    BatchAnswer,
    BatchParameters,
    SearchAnswer,
    SearchParameters,
)
from retrieval.errors import OverloadedError
from retrieval.search.ranking import RANKED_VIDEOS, Mode
from retrieval.search.results import SearchRequest
from retrieval.search.searcher import Searcher

BATCH_CONCURRENCY = 4
"""How many searches of one batch run concurrently, so that one batch cannot use the whole capacity."""

BATCH_SECONDS = 4.0
"""The time limit of a batch: less than the time that a stopping service gives to requests in flight."""

BATCH_BYTES = 1_048_576
"""The limit of a body: enough for a full batch of the longest queries, with every character escaped."""

BATCH = msgspec.structs.replace(SEARCH, searches=BATCH_CONCURRENCY)

QueryText = Annotated[
    str,
    QueryParameter(
        name="query",
        description=f"What to look for, in plain language: 1 to {LONGEST_QUERY:,} characters.",
        examples=[TEXT_EXAMPLE],
    ),
]
VideoLimit = Annotated[int, QueryParameter(ge=1, le=MOST_VIDEOS, description="Maximum number of results.")]


@get(
    "/v1/search",
    operation_id="search",
    summary="Find videos and moments",
    tags=["search"],
    opt=SEARCH.opt,
    security=ASKS_FOR_KEY,
    guards=[check_query_string],
    responses={
        200: ResponseSpec(
            SearchAnswer,
            generate_examples=False,
            description="The videos that match, best first.",
            examples=[SEARCH_EXAMPLE],
        ),
        **error_responses(*TAKES_QUERY, *NEEDS_INDEX, *NEEDS_KEY),
    },
)
async def search(
    searcher: NamedDependency[SkipValidation[Searcher]],
    addresses: Addresses,
    text: QueryText,
    limit: VideoLimit = 10,
    offset: Annotated[
        int,
        QueryParameter(
            ge=0,
            le=RANKED_VIDEOS,
            description=f"Number of results to skip. `offset` + `limit` is at most {RANKED_VIDEOS}.",
        ),
    ] = 0,
    moments: Annotated[
        int, QueryParameter(ge=0, le=MOST_MOMENTS, description="Maximum number of moments per video.")
    ] = 3,
    mode: Annotated[
        Mode,
        QueryParameter(
            description="`semantic` compares meaning, `lexical` compares words (best for names), "
            "`hybrid` combines both."
        ),
    ] = "hybrid",
    max_distance: Annotated[
        float | None,
        QueryParameter(
            gt=0,
            # Litestar does not document a bound of 0 for an optional value.
            schema_extra={"exclusive_minimum": 0.0},
            description="Only results at a smaller distance from the query than this; more than 0.",
        ),
    ] = None,
    published_after: Annotated[
        str | None,
        QueryParameter(description="ISO 8601 date or time, inclusive; UTC if it has no offset."),
    ] = None,
    published_before: Annotated[
        str | None,
        QueryParameter(description="ISO 8601 date or time, exclusive; UTC if it has no offset."),
    ] = None,
    channel: Annotated[str | None, QueryParameter(description="Only this channel (exact spelling).")] = None,
    language: Annotated[
        str | None, QueryParameter(description="Only this language (exact spelling).")
    ] = None,
) -> SearchAnswer:
    """Find the videos that match the query, and the matching moments in them."""
    parameters = SearchParameters(
        query=text,
        limit=limit,
        offset=offset,
        moments=moments,
        mode=mode,
        max_distance=max_distance,
        published_after=published_after,
        published_before=published_before,
        channel=channel,
        language=language,
    )
    return await _answer(searcher, to_request(parameters), addresses)


@post(
    "/v1/search/batch",
    operation_id="searchBatch",
    summary="Run several searches",
    tags=["search"],
    status_code=200,
    opt=BATCH.opt,
    security=ASKS_FOR_KEY,
    guards=[check_body, check_query_string],
    request_class=JsonRequest,
    request_max_body_size=BATCH_BYTES,
    responses={
        200: ResponseSpec(
            BatchAnswer,
            generate_examples=False,
            description="One result per search, in the order of the requests.",
            examples=[Example(value={"results": [SEARCH_EXAMPLE.value]})],
        ),
        **error_responses(
            *TAKES_QUERY,
            *NEEDS_INDEX,
            *NEEDS_KEY,
            BodyTooSlowError,
            RequestEntityTooLarge,
            UnsupportedBodyError,
        ),
    },
)
async def search_batch(
    request: JsonRequest,
    searcher: NamedDependency[SkipValidation[Searcher]],
    addresses: Addresses,
    data: Annotated[
        BatchParameters,
        BodyKwarg(
            description=f"1 to {LARGEST_BATCH} searches, each with the parameters of `GET /v1/search`."
        ),
    ],
) -> BatchAnswer:
    """Run up to 32 searches and return their results in order. If one of them fails, the batch fails."""
    count_searches(request.scope, len(data.requests))
    requests = [
        to_request(parameters, f"requests[{place}].") for place, parameters in enumerate(data.requests)
    ]
    return BatchAnswer(results=await _answer_all(searcher, requests, addresses))


async def _answer(searcher: Searcher, request: SearchRequest, addresses: VideoAddresses) -> SearchAnswer:
    started = perf_counter()
    return search_answer(request, await searcher.search(request), started, addresses)


async def _answer_all(
    searcher: Searcher, requests: Sequence[SearchRequest], addresses: VideoAddresses
) -> list[SearchAnswer]:
    permits = asyncio.Semaphore(BATCH_CONCURRENCY)

    async def answer_with_permit(request: SearchRequest) -> SearchAnswer:
        async with permits:
            return await _answer(pinned, request, addresses)

    try:
        async with searcher.pinned() as pinned, asyncio.timeout(BATCH_SECONDS), asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer_with_permit(request)) for request in requests]
    except TimeoutError as e:
        raise OverloadedError(f"The batch took longer than {BATCH_SECONDS:g} s.") from e
    return [task.result() for task in tasks]
