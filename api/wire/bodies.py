"""Reads a JSON body strictly, into the type its handler declares."""

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
"""How long a body may take to arrive. A slow one holds a connection and the memory of what came so far."""


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is decoded in one step.

    Litestar checks a decoded body as loosely as a query string, where "5" has to be a number; in JSON it
    is not one.
    """

    async def json(self) -> Any:
        """Decode the body. Raises MalformedBodyError or InvalidParameterError."""
        body_type = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        try:
            return msgspec.json.decode(await self.body(), type=body_type)
        except msgspec.ValidationError as error:
            raise _named(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedBodyError from error


async def check_body(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard a route: there is a body, in good time, and it is JSON or does not say what it is.

    Raises UnsupportedBodyError, BodyTooSlowError, BodyIncompleteError or MalformedBodyError.
    """
    content_type = connection.headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedBodyError
    # Litestar takes an empty body for a missing argument, and says so in its own terms.
    if isinstance(connection, Request) and not await _arrived(connection):
        raise MalformedBodyError


async def _arrived(request: Request[Any, Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError as error:
        raise BodyTooSlowError(BODY_SECONDS) from error
    except InternalServerException as error:
        # Litestar's word for a client that hangs up, as if that were an error of ours.
        raise BodyIncompleteError from error


def _named(error: msgspec.ValidationError) -> InvalidParameterError:
    match = _FAULT.fullmatch(str(error))
    place, rule = (match["place"] or "body", match["rule"]) if match else ("body", str(error))
    # A rule may quote the name of a field that is not ours: the caller's text, of any length.
    return InvalidParameterError(place, plain_rule(rule)[:_LONGEST_RULE])
