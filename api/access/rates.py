"""Token buckets: how many requests a caller may still send, and when the next one (pure, given a clock).

A bucket holds as many tokens as the limit says and is full at first. A request takes one, a batch one for
each of its searches, and they come back evenly. What is dearer than the whole bucket waits until that is
full, and owes the rest. So a caller may spend a whole limit at once, and no more than it in the long run.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

MOST_CALLERS = 32_768
"""How many callers of each kind are remembered: some megabytes. Who was away longest is forgotten first."""

_ROUNDING = 1e-6
"""What is missing by so little, in tokens or seconds, is missing by rounding alone, and is there."""

SECONDS_OF = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Rate(msgspec.Struct, frozen=True):
    """So many requests in so many seconds."""

    limit: int
    seconds: int


class Standing(msgspec.Struct, frozen=True):
    """How a caller stands after a request: the limit, what is left, and seconds until it is whole again.

    `wait` is how many seconds from now the request would be let through; 0 where it was.
    """

    limit: int
    remaining: int
    reset: int
    wait: int = 0


class Buckets:
    """The callers of one rate, each with a bucket of its own."""

    def __init__(self, rate: Rate, *, most: int = MOST_CALLERS) -> None:
        self.rate = rate
        self._per_second = rate.limit / rate.seconds
        self._most = most
        # For each caller when its bucket is full again. One that is full need not be remembered.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, caller: str, cost: float, now: float) -> float:
        """How many seconds from `now` there is room for this cost; 0 where there is now.

        Who asks is remembered for longer, also one that is refused.
        """
        if caller in self._full_at:
            self._full_at.move_to_end(caller)
        tokens = self.rate.limit - self._owed(caller, now)
        return max(0.0, (min(cost, self.rate.limit) - tokens) / self._per_second)

    def take(self, caller: str, cost: float, now: float) -> None:
        """Take this much, which may leave the caller owing. A cost below 0 gives back."""
        owed = max(0.0, self._owed(caller, now) + cost)
        self._full_at[caller] = now + owed / self._per_second
        self._full_at.move_to_end(caller)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def standing(self, caller: str, now: float, wait: float = 0.0) -> Standing:
        """Say how a caller stands, in the whole numbers that headers hold."""
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
    """Take a cost from all of these buckets, or from none where one has no room for it.

    Returns how the caller stands with the one that has the least left, or that has to be waited for longest.
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
