"""Who may use which route: the host it was asked by, how often, and with which key."""

import re
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme
from litestar.types import Guard, Scope

from api.access.keys import StoredKey
from api.access.live_keys import LiveKeys
from api.access.rate_limits import RateLimits
from api.access.settings import AccessSettings
from api.wire.errors import (
    HostNotAllowedError,
    KeyInvalidError,
    KeyRequiredError,
    RateLimitedError,
    ScopeMissingError,
)

SCOPE = "scope"
"""The name under which a route says in its `opt` which of ACCESS it is."""


class Access(msgspec.Struct, frozen=True):
    """What a kind of route asks for: a key's scope, the right host, and to be counted against the limits."""

    scope: str | None = None
    checks_host: bool = True
    is_counted: bool = True


# Probes and scrapers ask by address and without pause: a kubelet and a Prometheus name no host of ours.
ACCESS = {
    "open": Access(),
    "pages": Access(is_counted=False),
    "health": Access(checks_host=False, is_counted=False),
    "search": Access("search"),
    "metrics": Access("metrics", checks_host=False, is_counted=False),
    "admin": Access("admin"),
}
_HOST = re.compile(r"(?P<name>\[[^\[\]]*\]|[^\[\]:]*)(:[0-9]*)?")
_UNDECLARED = ACCESS["admin"]
_OPTIONS = {"OPTIONS"}

# For `opt` of a route, and of a route that asks for a key `security` too. The empty one: keys may be off.
OPEN = {SCOPE: "open"}
PAGES = {SCOPE: "pages"}
HEALTH = {SCOPE: "health"}
SEARCH = {SCOPE: "search"}
METRICS = {SCOPE: "metrics"}
ASKS_FOR_KEY: list[SecurityRequirement] = [{"bearer": []}, {"header": []}, {}]

# The errors of a route that is open, and of one that asks for a key, for `described`.
MAY_BE_REFUSED = (HostNotAllowedError, RateLimitedError)
NEEDS_KEY = (*MAY_BE_REFUSED, KeyRequiredError, KeyInvalidError, ScopeMissingError)

SECURITY_SCHEMES = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            description="`Authorization: Bearer KEY`. Asked for only where keys were made.",
        ),
        "header": SecurityScheme(
            type="apiKey",
            name="X-API-Key",
            security_scheme_in="header",
            description="The same key, where something in between uses Authorization itself. It comes first.",
        ),
    }
)


def guard_access(settings: AccessSettings, keys: LiveKeys, limits: RateLimits) -> Guard:
    """Make the guard of every route. A route that does not say what it is takes an admin's key.

    It is one guard and not several because Litestar copies the handler for each.
    """
    hosts = _Hosts(settings.allowed_hosts)

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let a request through, and put its key where `scope["auth"]` has it.

        Raises HostNotAllowedError, RateLimitedError, KeyRequiredError, KeyInvalidError or ScopeMissingError.
        """
        access = access_of(handler)
        scope = connection.scope
        if access.checks_host:
            hosts.check(scope)
        if access.is_counted:
            # Before the key is looked at: who sends wrong ones is counted as well.
            limits.count_address(scope)
        if access.scope is not None and keys.asked_for:
            key = scope["auth"] = _find(scope, keys)
            if not key.opens(access.scope):
                raise ScopeMissingError(access.scope)
            if access.is_counted:
                limits.count_key(scope, key)

    return guard


def access_of(handler: BaseRouteHandler) -> Access:
    """Look up what a handler asks for. To ask which methods a route has takes nothing."""
    if isinstance(handler, HTTPRouteHandler) and handler.http_methods == _OPTIONS:
        return ACCESS["open"]
    return ACCESS.get(handler.opt.get(SCOPE, ""), _UNDECLARED)


class _Hosts:
    """The names that a service may be asked by; any where none is given."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        names = [name.lower().rstrip(".") for name in allowed]
        self._names = frozenset(name for name in names if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))

    def check(self, scope: Scope) -> None:
        """Raise HostNotAllowedError unless the request names one of them."""
        if not self._names and not self._endings:
            return
        sent = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        # The port is nobody's business: what is published under another one is the same service.
        form = _HOST.fullmatch(sent.lower())
        name = form["name"].rstrip(".") if form else ""
        if name not in self._names and not name.endswith(self._endings):
            raise HostNotAllowedError


def _find(scope: Scope, keys: LiveKeys) -> StoredKey:
    """Find the key that a request was sent with. Raises KeyRequiredError or KeyInvalidError."""
    sent = _sent_key(scope)
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
            # Another scheme is a matter between the client and whoever stands in between.
            bearer = rest.strip() if scheme.lower() == b"bearer" else bearer
    return bearer
