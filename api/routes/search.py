"""`/v1/search` and its batch."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, QueryParameter, SkipValidation

from api.access.guard import ASKS_FOR_KEY, NEEDS_KEY, SEARCH
from api.access.rate_limits import count_searches
from api.routes.documentation import SEARCH_EXAMPLE, TEXT_EXAMPLE
from api.wire.answers import shape_search
from api.wire.bodies import JsonRequest, check_body
from api.wire.errors import BodyTooSlowError, UnsupportedBodyError
from api.wire.parameters import to_request
from api.wire.problems import NEEDS_INDEX, TAKES_QUERY, described
from api.wire.query_string import check_query_string
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

AT_ONCE = 4
"""How many searches of one batch run together: one batch cannot take every place in the queue."""

BATCH_SECONDS = 4.0
"""How long a batch may take with all its searches: less than what a stop gives to those who have asked."""

BATCH_BYTES = 1_048_576
"""Holds a full batch of the longest queries, every character escaped."""

QueryText = Annotated[
    str,
    QueryParameter(
        name="query",
        description=f"What to look for, in plain words: 1 to {LONGEST_QUERY:,} characters.",
        examples=[TEXT_EXAMPLE],
    ),
]
VideoLimit = Annotated[int, QueryParameter(ge=1, le=MOST_VIDEOS, description="How many, at most.")]


@get(
    "/v1/search",
    operation_id="search",
    summary="Find videos and moments",
    tags=["search"],
    opt=SEARCH,
    security=ASKS_FOR_KEY,
    guards=[check_query_string],
    responses={
        200: ResponseSpec(
            SearchAnswer,
            generate_examples=False,
            description="The videos found, best first.",
            examples=[SEARCH_EXAMPLE],
        ),
        **described(*TAKES_QUERY, *NEEDS_INDEX, *NEEDS_KEY),
    },
)
async def search(
    searcher: NamedDependency[SkipValidation[Searcher]],
    text: QueryText,
    limit: VideoLimit = 10,
    offset: Annotated[
        int,
        QueryParameter(
            ge=0,
            le=RANKED_VIDEOS,
            description=f"How many to leave out from the top; with `limit`, at most {RANKED_VIDEOS}.",
        ),
    ] = 0,
    moments: Annotated[
        int, QueryParameter(ge=0, le=MOST_MOMENTS, description="How many moments a video shows, at most.")
    ] = 3,
    mode: Annotated[
        Mode,
        QueryParameter(
            description="`semantic` compares meanings, `lexical` words (best for names), `hybrid` both."
        ),
    ] = "hybrid",
    max_distance: Annotated[
        float | None,
        QueryParameter(
            gt=0,
            # Litestar does not document a rule whose number is 0 of a value that may be left out.
            schema_extra={"exclusive_minimum": 0.0},
            description="Leave out what is this far from the query or farther; more than 0.",
        ),
    ] = None,
    published_after: Annotated[
        str | None,
        QueryParameter(description="ISO 8601 date or time, itself included; UTC where it has no offset."),
    ] = None,
    published_before: Annotated[
        str | None,
        QueryParameter(description="ISO 8601 date or time, itself left out; UTC where it has no offset."),
    ] = None,
    channel: Annotated[str | None, QueryParameter(description="Only this channel, spelt exactly.")] = None,
    language: Annotated[str | None, QueryParameter(description="Only this language, spelt exactly.")] = None,
) -> SearchAnswer:
    """Find the videos that answer the query, and the moments in them that do."""
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
    return await _answer(searcher, to_request(parameters))


@post(
    "/v1/search/batch",
    operation_id="searchBatch",
    summary="Answer many searches at once",
    tags=["search"],
    status_code=200,
    opt=SEARCH,
    security=ASKS_FOR_KEY,
    guards=[check_body, check_query_string],
    request_class=JsonRequest,
    request_max_body_size=BATCH_BYTES,
    responses={
        200: ResponseSpec(
            BatchAnswer,
            generate_examples=False,
            description="One answer a search, in their order.",
            examples=[Example(value={"results": [SEARCH_EXAMPLE.value]})],
        ),
        **described(
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
    data: Annotated[
        BatchParameters, BodyKwarg(description=f"1 to {LARGEST_BATCH} searches, each as `GET /v1/search`.")
    ],
) -> BatchAnswer:
    """Answer up to 32 searches, in their order. One that cannot be answered fails the whole batch."""
    count_searches(request.scope, len(data.requests))
    requests = [
        to_request(parameters, f"requests[{place}].") for place, parameters in enumerate(data.requests)
    ]
    return BatchAnswer(results=await _answer_all(searcher, requests))


async def _answer(searcher: Searcher, request: SearchRequest) -> SearchAnswer:
    started = perf_counter()
    return shape_search(request, await searcher.search(request), started)


async def _answer_all(searcher: Searcher, requests: Sequence[SearchRequest]) -> list[SearchAnswer]:
    places = asyncio.Semaphore(AT_ONCE)

    async def answer_in_turn(request: SearchRequest) -> SearchAnswer:
        async with places:
            return await _answer(pinned, request)

    try:
        async with searcher.pinned() as pinned, asyncio.timeout(BATCH_SECONDS), asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer_in_turn(request)) for request in requests]
    except TimeoutError as e:
        raise OverloadedError(f"Not all of the batch was answered within {BATCH_SECONDS:g} s.") from e
    return [task.result() for task in tasks]
