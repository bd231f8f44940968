"""Decodes a JSON body strictly into the type that its handler declares."""

import asyncio
import re
from typing import Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import InternalServerException
from litestar.handlers.base import BaseRouteHandler

from api.wire.errors import (
    BodyIncompleteError,
    BodyTooSlowError,
    InvalidParameterError,
    MalformedBodyError,
    UnsupportedBodyError,
)
from api.wire.parameters import plain_rule

_FAULT = re.compile(r"(?P<rule>.*) - at `\$\.?(?P<place>.*)`", re.DOTALL)
_LONGEST_RULE = 200
BODY_SECONDS = 10
"""How long a body may take to arrive. A slow body occupies a connection and memory."""


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body msgspec decodes in one step.

    Litestar converts a body as loosely as a query string, so that "5" is accepted as a number.
    """

    async def json(self) -> Any:
        """Decode the body. Raises MalformedBodyError or InvalidParameterError."""
        body_type = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        try:
            return msgspec.json.decode(await self.body(), type=body_type)
        except msgspec.ValidationError as error:
            raise _invalid_field(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedBodyError from error


async def check_body(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Check that a body arrives in time, and that its media type, if given, is JSON (a guard).

    Raises UnsupportedBodyError, BodyTooSlowError, BodyIncompleteError or MalformedBodyError.
    """
    content_type = connection.headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedBodyError
    # Litestar would report an empty body as a missing handler argument.
    if isinstance(connection, Request) and not await _read_body(connection):
        raise MalformedBodyError


async def _read_body(request: Request[Any, Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError as error:
        raise BodyTooSlowError(BODY_SECONDS) from error
    except InternalServerException as error:
        # Litestar raises this internal error if the client disconnects.
        raise BodyIncompleteError from error


def _invalid_field(error: msgspec.ValidationError) -> InvalidParameterError:
    match = _FAULT.fullmatch(str(error))
    place, rule = (match["place"] or "body", match["rule"]) if match else ("body", str(error))
    # A rule may quote the name of an unknown field, which is the caller's text and may be long.
    return InvalidParameterError(place, plain_rule(rule)[:_LONGEST_RULE])
