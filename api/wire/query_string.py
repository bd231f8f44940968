"""Refuses query strings that Litestar would silently repair, truncate or ignore."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.params import ParameterKwarg, QueryParameter

from api.wire.errors import InvalidParameterError, UnknownParameterError

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_RULE = "query_rule"


class QueryRule(msgspec.Struct, frozen=True):
    """The query parameters of a route, and the public name of each handler argument."""

    accepted: frozenset[str]
    required: tuple[str, ...]
    names: dict[str, str]


async def check_query_string(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Check that every query parameter is known, UTF-8 and sent once, and that none is missing (a guard).

    Raises UnknownParameterError or InvalidParameterError.
    """
    rule = rule_of(handler)
    given = set()
    for pair in connection.scope["query_string"].split(b"&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name = decode_component(raw_name.replace(b"+", b" "), "the query string")
        if name not in rule.accepted:
            raise UnknownParameterError(name, rule.accepted)
        if name in given:
            raise InvalidParameterError(name, "is given more than once.")
        given.add(name)
        decode_component(raw_value, name)
    for name in rule.required:
        if name not in given:
            raise InvalidParameterError(name, "is required.")


def rule_of(handler: BaseRouteHandler) -> QueryRule:
    """Derive the rule of a handler from its signature. The rule is kept in the handler's `opt`."""
    rule: QueryRule | None = handler.opt.get(_RULE)
    if rule is None:
        names, accepted, required = {}, set(), []
        for argument, field in handler.parsed_fn_signature.parameters.items():
            if isinstance(field.kwarg_definition, ParameterKwarg):
                names[argument] = name = field.kwarg_definition.name or argument
                if isinstance(field.kwarg_definition, QueryParameter):
                    accepted.add(name)
                    required += [name] if field.is_required else []
        rule = QueryRule(accepted=frozenset(accepted), required=tuple(required), names=names)
        handler.opt[_RULE] = rule
    return rule


def decode_component(raw: bytes, name: str) -> str:
    """Decode a percent-encoded part of a URL strictly.

    Raises InvalidParameterError for a broken escape, for bytes that are not UTF-8, and for a NUL character,
    at which engines truncate text.
    """
    if raw.isascii() and b"%" not in raw and b"\x00" not in raw:
        return raw.decode("ascii")
    if _BROKEN_ESCAPE.search(raw):
        raise InvalidParameterError(name, "contains a % that does not start an escape. Write it as %25.")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidParameterError(name, "is not UTF-8.") from error
    if "\x00" in text:
        raise InvalidParameterError(name, "contains a NUL character.")
    return text
