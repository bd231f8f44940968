"""The access guard of every route: allowed hosts, rate limits and API keys."""

import re
from time import time
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme
from litestar.types import Guard, Scope

from api.access.keys import StoredKey
from api.access.live_keys import LiveKeys
from api.access.rate_limits import RateLimits
from api.access.settings import AccessSettings
from api.access.tickets import find_by_ticket
from api.wire.errors import (
    HostNotAllowedError,
    KeyInvalidError,
    KeyRequiredError,
    ScopeMissingError,
    TicketInvalidError,
)
from api.wire.paths import path_of
from api.wire.route_properties import properties_of

_TICKET = re.compile(rb"(?:^|&)ticket=([^&]+)")
_HOST = re.compile(r"(?P<name>\[[^\[\]]*\]|[^\[\]:]*)(:[0-9]*)?")

# For `security` of a route that needs a key. The empty requirement: the service may run without keys.
ASKS_FOR_KEY: list[SecurityRequirement] = [{"bearer": []}, {"header": []}, {}]

SECURITY_SCHEMES = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            description="`Authorization: Bearer KEY`. Required only if the service has keys.",
        ),
        "header": SecurityScheme(
            type="apiKey",
            name="X-API-Key",
            security_scheme_in="header",
            description="The same key, if a proxy uses Authorization itself. It takes precedence.",
        ),
    }
)


def guard_access(settings: AccessSettings, keys: LiveKeys, limits: RateLimits) -> Guard:
    """Make the guard of every route. A route that does not declare its properties needs an admin's key.

    It is one guard and not several because Litestar copies the handler for each guard.
    """
    hosts = _Hosts(settings.allowed_hosts)

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Admit a request, and store its key as `scope["auth"]`.

        Raises HostNotAllowedError, RateLimitedError, KeyRequiredError, KeyInvalidError, TicketInvalidError or
        ScopeMissingError.
        """
        route = properties_of(handler)
        scope = connection.scope
        if route.checks_host:
            hosts.check(scope)
        if route.is_rate_limited:
            # Before the key is checked, so that guesses of keys are limited too.
            limits.count_address(scope)
        if route.key_scope is not None and keys.required:
            key = scope["auth"] = _find_key(scope, keys, takes_ticket=route.takes_ticket)
            if not key.allows(route.key_scope):
                raise ScopeMissingError(route.key_scope)
            if route.is_rate_limited:
                limits.count_key(scope, key)

    return guard


def sent_host(scope: Scope) -> str:
    """Return the host that a request names, unchecked; empty if it names none."""
    return next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")


class _Hosts:
    """The host names that the service serves. Without any, it serves every host name."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        names = [name.lower().rstrip(".") for name in allowed]
        self._names = frozenset(name for name in names if not name.startswith("*."))
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    def check(self, scope: Scope) -> None:
        """Raise HostNotAllowedError unless the request names an allowed host."""
        if not self._names and not self._suffixes:
            return
        # The port is not compared: a proxy may publish the service on another port.
        match = _HOST.fullmatch(sent_host(scope).lower())
        name = match["name"].rstrip(".") if match else ""
        if name not in self._names and not name.endswith(self._suffixes):
            raise HostNotAllowedError


def _find_key(scope: Scope, keys: LiveKeys, *, takes_ticket: bool) -> StoredKey:
    """Find the key of a request. Raises KeyRequiredError, KeyInvalidError or TicketInvalidError."""
    sent = _sent_key(scope)
    ticket = _TICKET.search(scope["query_string"]) if takes_ticket and sent is None else None
    if ticket is not None:
        found = find_by_ticket(keys.ring, ticket[1], path_of(scope), time())
        if found is None:
            raise TicketInvalidError
        return found
    if sent is None:
        raise KeyRequiredError
    key = keys.ring.find(sent)
    if key is None:
        raise KeyInvalidError
    return key


def _sent_key(scope: Scope) -> bytes | None:
    bearer = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return value
        if name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            # Other schemes are between the client and a proxy.
            bearer = rest.strip() if scheme.lower() == b"bearer" else bearer
    return bearer
