"""Refuses a query string that Litestar would quietly repair, cut or ignore."""

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
    """What a route takes: its parameters, the ones it cannot do without, and both names of each argument."""

    taken: frozenset[str]
    required: tuple[str, ...]
    names: dict[str, str]


async def check_query_string(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Guard a route: every query parameter is known, given once and UTF-8, and none is missing.

    Raises UnknownParameterError or InvalidParameterError.
    """
    rule = rule_of(handler)
    given = set()
    for pair in connection.scope["query_string"].split(b"&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name = decode_component(raw_name.replace(b"+", b" "), "the query string")
        if name not in rule.taken:
            raise UnknownParameterError(name, rule.taken)
        if name in given:
            raise InvalidParameterError(name, "is given more than once.")
        given.add(name)
        decode_component(raw_value, name)
    for name in rule.required:
        if name not in given:
            raise InvalidParameterError(name, "is required.")


def rule_of(handler: BaseRouteHandler) -> QueryRule:
    """Read a handler's rule off its signature, the first time, and keep it with the handler."""
    rule: QueryRule | None = handler.opt.get(_RULE)
    if rule is None:
        names, taken, required = {}, set(), []
        for argument, field in handler.parsed_fn_signature.parameters.items():
            if isinstance(field.kwarg_definition, ParameterKwarg):
                names[argument] = name = field.kwarg_definition.name or argument
                if isinstance(field.kwarg_definition, QueryParameter):
                    taken.add(name)
                    required += [name] if field.is_required else []
        rule = QueryRule(taken=frozenset(taken), required=tuple(required), names=names)
        handler.opt[_RULE] = rule
    return rule


def decode_component(raw: bytes, name: str) -> str:
    """Decode a percent-encoded piece of an address, strictly.

    Raises InvalidParameterError, which names the parameter, for an escape or a byte that is no UTF-8, and
    for a zero character, which engines cut text at.
    """
    if raw.isascii() and b"%" not in raw and b"\x00" not in raw:
        return raw.decode("ascii")
    if _BROKEN_ESCAPE.search(raw):
        raise InvalidParameterError(name, "holds a % that starts no escape. Write it as %25.")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidParameterError(name, "is not UTF-8.") from error
    if "\x00" in text:
        raise InvalidParameterError(name, "holds a zero character.")
    return text
