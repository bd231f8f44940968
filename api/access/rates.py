"""Token buckets: how many requests a caller may send now, and when the next one (pure, given a clock).

A bucket starts full, with as many tokens as the limit, and refills evenly. A request takes one token, a batch
one per search. A request that costs more than the whole bucket waits until the bucket is full, and leaves it
in debt. So a caller may spend a whole limit at once, but no more than the limit in the long run.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

MOST_CALLERS = 32_768
"""How many buckets are kept per rate (a few megabytes). The least recently used one is dropped first."""

_ROUNDING = 1e-6
"""Tokens or seconds. A smaller shortage is a rounding error."""

SECONDS_OF = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Rate(msgspec.Struct, frozen=True):
    """`limit` requests per `seconds` seconds."""

    limit: int
    seconds: int


class Standing(msgspec.Struct, frozen=True):
    """The state of a caller's bucket after a request.

    `remaining`: tokens left. `reset`: seconds until the bucket is full. `wait`: seconds until the request
    would be admitted; 0 if it was.
    """

    limit: int
    remaining: int
    reset: int
    wait: int = 0


class Buckets:
    """The buckets of all callers of one rate."""

    def __init__(self, rate: Rate, *, most: int = MOST_CALLERS) -> None:
        self.rate = rate
        self._per_second = rate.limit / rate.seconds
        self._most = most
        # The time at which each caller's bucket will be full. A full bucket need not be kept.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, caller: str, cost: float, now: float) -> float:
        """Return the seconds from `now` until the bucket can pay `cost`; 0 if it can now.

        The bucket counts as recently used, even if the request is refused.
        """
        if caller in self._full_at:
            self._full_at.move_to_end(caller)
        tokens = self.rate.limit - self._owed(caller, now)
        return max(0.0, (min(cost, self.rate.limit) - tokens) / self._per_second)

    def take(self, caller: str, cost: float, now: float) -> None:
        """Take `cost` tokens, possibly leaving a debt. A negative cost returns tokens."""
        owed = max(0.0, self._owed(caller, now) + cost)
        self._full_at[caller] = now + owed / self._per_second
        self._full_at.move_to_end(caller)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def standing(self, caller: str, now: float, wait: float = 0.0) -> Standing:
        """Describe a caller's bucket in the whole numbers of the response headers."""
        owed = self._owed(caller, now)
        return Standing(
            limit=self.rate.limit,
            remaining=max(0, math.floor(self.rate.limit - owed + _ROUNDING)),
            reset=_whole(owed / self._per_second),
            wait=_whole(wait),
        )

    def _owed(self, caller: str, now: float) -> float:
        full_at = self._full_at.get(caller)
        return 0.0 if full_at is None else max(0.0, (full_at - now) * self._per_second)


def spend(callers: Sequence[tuple[Buckets, str]], cost: int, now: float) -> Standing:
    """Take a cost from all of these buckets, or from none if one of them cannot pay it.

    Returns the standing of the bucket with the least left, or of the one with the longest wait.
    """
    waits = [(buckets.wait(caller, cost, now), buckets, caller) for buckets, caller in callers]
    longest, buckets, caller = max(waits, key=lambda each: each[0])
    if longest > _ROUNDING:
        return buckets.standing(caller, now, longest)
    for buckets, caller in callers:
        buckets.take(caller, cost, now)
    return min(
        (buckets.standing(caller, now) for buckets, caller in callers), key=lambda each: each.remaining
    )


def _whole(seconds: float) -> int:
    return math.ceil(seconds - _ROUNDING)
