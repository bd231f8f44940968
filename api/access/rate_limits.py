"""Rate limits: who the caller is, what a request costs, and the headers that report the limit."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import msgspec
from litestar.types import HTTPScope, Scope

from api.access.keys import StoredKey
from api.access.rates import Buckets, Standing, spend
from api.access.settings import AccessSettings
from api.wire.errors import RateLimitedError

_COUNTED = "counted"
_LONGEST_ADDRESS = 64
_IPV6_PREFIX_BITS = 64
"""The first 64 bits of an IPv6 address identify a household or a machine, which chooses the other bits."""


class Counted(msgspec.Struct):
    """The buckets that a request was counted against, and the standing of the tightest one."""

    limits: "RateLimits"
    callers: list[tuple[Buckets, str]]
    standing: Standing


class RateLimits:
    """The buckets of every key and of every address. One event loop owns them."""

    def __init__(self, settings: AccessSettings, *, clock: Callable[[], float] = monotonic) -> None:
        self._keys = None if settings.rate_of_key is None else Buckets(settings.rate_of_key)
        self._addresses = None if settings.rate_of_address is None else Buckets(settings.rate_of_address)
        self._clock = clock

    def count_address(self, scope: Scope) -> None:
        """Count a request against the client's address. Raises RateLimitedError."""
        if self._addresses is not None:
            self._count(scope, (self._addresses, caller_at(scope)))

    def count_key(self, scope: Scope, key: StoredKey) -> None:
        """Count a request against its key. Raises RateLimitedError."""
        if self._keys is not None:
            self._count(scope, (self._keys, key.key_id))

    def count_instead(self, counted: Counted, cost: int) -> None:
        """Count a request as `cost` requests instead of one, or as none if this raises RateLimitedError."""
        now = self._clock()
        for buckets, caller in counted.callers:
            buckets.take(caller, -1, now)
        counted.standing = spend(counted.callers, cost, now)
        _check(counted.standing)

    def _count(self, scope: Scope, caller: tuple[Buckets, str]) -> None:
        standing = spend([caller], 1, self._clock())
        counted: Counted | None = scope["state"].get(_COUNTED)
        if counted is None:
            scope["state"][_COUNTED] = Counted(self, [caller], standing)
        else:
            counted.callers.append(caller)
            counted.standing = min(counted.standing, standing, key=lambda each: (-each.wait, each.remaining))
        _check(standing)


def count_searches(scope: HTTPScope, number: int) -> None:
    """Count a request as its number of searches, if there are limits. Raises RateLimitedError."""
    counted: Counted | None = scope["state"].get(_COUNTED)
    if counted is not None:
        counted.limits.count_instead(counted, number)


def limit_headers(scope: Scope) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers that report the limit, or none if the request was not counted."""
    state: Mapping[str, Counted] = scope["state"]
    counted = state.get(_COUNTED)
    if counted is None:
        return ()
    standing = counted.standing
    return (
        (b"ratelimit-limit", b"%d" % standing.limit),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.reset),
    )


def caller_at(scope: Scope) -> str:
    """Identify the caller by address: an IPv4 address, or the /64 of an IPv6 address."""
    client = scope.get("client")
    address = client[0] if client else ""
    if ":" not in address:
        return address[:_LONGEST_ADDRESS]
    try:
        number = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST_ADDRESS]
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return f"{int(number) >> _IPV6_PREFIX_BITS:x}::/64"


def _check(standing: Standing) -> None:
    if standing.wait:
        raise RateLimitedError(standing.wait)
