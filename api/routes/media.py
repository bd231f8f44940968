"""`/media/`: an owner's own audio and video files, with byte ranges, and the demo's clip."""

from typing import Annotated, Any

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, SkipValidation
from litestar.types import ASGIApp

from api.access.guard import ASKS_FOR_KEY
from api.media.addresses import MEDIA_PATH, is_sample
from api.media.files import MediaFiles
from api.media.response import MediaResponse
from api.routes.documentation import operation_id
from api.wire.errors import (
    HostNotAllowedError,
    InvalidParameterError,
    KeyInvalidError,
    KeyRequiredError,
    MediaBusyError,
    MediaNotFoundError,
    RangeNotSatisfiableError,
    ScopeMissingError,
    TicketInvalidError,
    UnknownParameterError,
)
from api.wire.paths import path_of
from api.wire.problems import error_responses
from api.wire.query_string import check_query_string
from api.wire.route_properties import MEDIA
from retrieval.search.searcher import Searcher

_FILE = "*/*"


@route(
    MEDIA_PATH + "{file_path:path}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    operation_id=operation_id("getMedia"),
    summary="Load an audio or video file",
    tags=["media"],
    opt=MEDIA.opt,
    security=ASKS_FOR_KEY,
    guards=[check_query_string],
    responses={
        200: ResponseSpec(bytes, media_type=_FILE, generate_examples=False, description="The whole file."),
        206: ResponseSpec(
            bytes, media_type=_FILE, generate_examples=False, description="The part in `Range`."
        ),
        304: ResponseSpec(None, description="The client's copy is current."),
        **error_responses(
            InvalidParameterError,
            UnknownParameterError,
            MediaNotFoundError,
            RangeNotSatisfiableError,
            MediaBusyError,
            TicketInvalidError,
            HostNotAllowedError,
            KeyRequiredError,
            KeyInvalidError,
            ScopeMissingError,
        ),
    },
)
async def media(
    request: Request[Any, Any, Any],
    files: NamedDependency[SkipValidation[MediaFiles]],
    searcher: NamedDependency[SkipValidation[Searcher]],
    file_path: Annotated[str, PathParameter(description="The path of the file below `MEDIA_DIR`.")],
    ticket: Annotated[
        str,
        QueryParameter(
            description="Replaces the key, for players, which cannot send one. The `url` of a video has it."
        ),
    ] = "",
) -> ASGIApp:
    """Send a file, or one byte range of it. The `url` of a video that names no other site leads here."""
    del file_path, ticket  # The guard has read the ticket, and the path is one text below.
    return MediaResponse(
        files,
        path_of(request.scope).removeprefix(MEDIA_PATH),
        is_sample=await is_sample(searcher),
        is_private=request.scope.get("auth") is not None,
    )
