"""The searches of the last hour, minute by minute: how many were answered, and how long that took.

For people who look at a page. Prometheus knows more, and for longer.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import sqrt
from time import monotonic

import msgspec

MINUTES = 60

SEARCHES = frozenset(
    {
        *("/search", "/v1/search", "/v1/search/batch", "/v1/videos/{video_id}/search"),
        *("/app/search", "/app/videos/{video_id}"),
    }
)
"""The templates of the routes that search."""

_METHODS = frozenset({"GET", "POST"})
_TOO_MANY = 429
_CLIENT_ERROR = 400
_SERVER_ERROR = 500

# Latencies are counted in buckets and not kept: a minute takes a kilobyte however much is searched in it, and
# nothing is left to chance, as it is with a sample of a busy minute. Each bound is a tenth more than the one
# before, from 0.5 ms to 10 s, so what is told is off by 5% at most.
_GROWTH = 1.1
_SHORTEST, _LONGEST = 0.0005, 10.0
_MIDDLE = 1 / sqrt(_GROWTH)


def _bounds() -> tuple[float, ...]:
    bounds = [_SHORTEST]
    while bounds[-1] < _LONGEST:
        bounds.append(bounds[-1] * _GROWTH)
    return tuple(bounds)


_BOUNDS = _bounds()


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the searches of some time. Latencies are seconds of those answered, None without any."""

    answered: int = 0
    refused: int = 0
    median: float | None = None
    p95: float | None = None


class Hour(msgspec.Struct, frozen=True):
    """The searches of the last hour: MINUTES minutes, the one under way last, and all of them together.

    `seconds` is for how long they have been counted, in all.
    """

    minutes: tuple[Figures, ...]
    whole: Figures
    seconds: float


class _Counts:
    """What is counted in one minute."""

    __slots__ = ("durations", "minute", "refused")

    def __init__(self, minute: int | None = None) -> None:
        self.minute = minute
        self.refused = 0
        self.durations = [0] * (len(_BOUNDS) + 1)


_NOTHING = _Counts()


class RecentSearches:
    """Counts searches by the minute in which they ended, for an hour. One event loop owns it."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        """Begin at nothing. Minutes are those of `clock`; one that goes back counts into its latest."""
        self._clock = clock
        self._began = clock()
        self._newest = 0
        self._counts = [_Counts() for _ in range(MINUTES)]

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that is over, if it was a search; a batch is one.

        What was answered with 429 or 5xx was refused or failed. Other faults are the caller's, and so is
        leaving: nothing was searched then, and the time that took says nothing.
        """
        if route not in SEARCHES or method not in _METHODS:
            return
        if status < _CLIENT_ERROR:
            self._now().durations[bisect_left(_BOUNDS, seconds)] += 1
        elif status >= _SERVER_ERROR or status == _TOO_MANY:
            self._now().refused += 1

    def hour(self) -> Hour:
        """Sum up the last hour."""
        newest = self._minute()
        minutes = [self._counted(minute) for minute in range(newest - MINUTES + 1, newest + 1)]
        whole = _Counts()
        whole.refused = sum(counts.refused for counts in minutes)
        whole.durations = [sum(bucket) for bucket in zip(*(c.durations for c in minutes), strict=True)]
        seconds = max(0.0, self._clock() - self._began)
        return Hour(tuple(map(_figures, minutes)), _figures(whole), seconds)

    def _counted(self, minute: int) -> _Counts:
        counts = self._counts[minute % MINUTES]
        return counts if counts.minute == minute else _NOTHING

    def _now(self) -> _Counts:
        minute = self._minute()
        counts = self._counts[minute % MINUTES]
        if counts.minute != minute:
            counts = self._counts[minute % MINUTES] = _Counts(minute)
        return counts

    def _minute(self) -> int:
        self._newest = max(self._newest, int(self._clock() // 60))
        return self._newest


def _figures(counts: _Counts) -> Figures:
    return Figures(
        answered=sum(counts.durations),
        refused=counts.refused,
        median=_quantile(counts.durations, 0.5),
        p95=_quantile(counts.durations, 0.95),
    )


def _quantile(durations: Sequence[int], share: float) -> float | None:
    """Find the duration that at least this share of them do not exceed, as the middle of its bucket."""
    wanted = share * sum(durations)
    seen = 0
    for bucket, count in enumerate(durations):
        seen += count
        if count and seen >= wanted:
            return _BOUNDS[min(bucket, len(_BOUNDS) - 1)] * _MIDDLE
    return None
