"""The searches of the last hour by minute: counts and latencies, for the status page.

Prometheus has more figures, and keeps them for longer.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import sqrt
from time import monotonic

import msgspec

MINUTES = 60

_TOO_MANY_REQUESTS = 429
_CLIENT_ERROR = 400
_SERVER_ERROR = 500

# Latencies are counted in buckets, so that a minute takes one kilobyte however many searches it has, and no
# search is left out, as in a sample. Each bound is 10% above the previous one, from 0.5 ms to 10 s, so a
# quantile is off by 5% at most.
_GROWTH = 1.1
_SHORTEST, _LONGEST = 0.0005, 10.0
_MIDPOINT = 1 / sqrt(_GROWTH)


def _bounds() -> tuple[float, ...]:
    bounds = [_SHORTEST]
    while bounds[-1] < _LONGEST:
        bounds.append(bounds[-1] * _GROWTH)
    return tuple(bounds)


_BOUNDS = _bounds()


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The searches of some period. Latencies are in seconds, of answered searches; None if there are none."""

    answered: int = 0
    refused: int = 0
    median: float | None = None
    p95: float | None = None


class Hour(msgspec.Struct, frozen=True):
    """The searches of the last hour: MINUTES minutes, the current one last, and their total.

    `seconds`: the time since counting began, which may be more or less than an hour.
    """

    minutes: tuple[Figures, ...]
    whole: Figures
    seconds: float


class _Counts:
    """The counts of one minute."""

    __slots__ = ("durations", "minute", "refused")

    def __init__(self, minute: int | None = None) -> None:
        self.minute = minute
        self.refused = 0
        self.durations = [0] * (len(_BOUNDS) + 1)


_NOTHING = _Counts()


class RecentSearches:
    """Counts searches by the minute in which they ended, for the last hour. One event loop owns it."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        """Start empty. If `clock` goes back, searches count in its latest minute."""
        self._clock = clock
        self._started = clock()
        self._newest = 0
        self._counts = [_Counts() for _ in range(MINUTES)]

    def completed(self, status: int, seconds: float) -> None:
        """Count a completed search request. A batch counts as one.

        A status of 429 or 5xx counts as refused or failed. Other errors, and a client that disconnects, are
        not counted: nothing was searched, so the duration has no meaning.
        """
        if status < _CLIENT_ERROR:
            self._current().durations[bisect_left(_BOUNDS, seconds)] += 1
        elif status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
            self._current().refused += 1

    def hour(self) -> Hour:
        """Return the counts of the last hour."""
        newest = self._minute()
        minutes = [self._counts_of(minute) for minute in range(newest - MINUTES + 1, newest + 1)]
        whole = _Counts()
        whole.refused = sum(counts.refused for counts in minutes)
        whole.durations = [sum(bucket) for bucket in zip(*(c.durations for c in minutes), strict=True)]
        seconds = max(0.0, self._clock() - self._started)
        return Hour(tuple(map(_figures, minutes)), _figures(whole), seconds)

    def _counts_of(self, minute: int) -> _Counts:
        counts = self._counts[minute % MINUTES]
        return counts if counts.minute == minute else _NOTHING

    def _current(self) -> _Counts:
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
    """Return the duration that `share` of the searches do not exceed, as the midpoint of its bucket."""
    wanted = share * sum(durations)
    seen = 0
    for bucket, count in enumerate(durations):
        seen += count
        if count and seen >= wanted:
            return _BOUNDS[min(bucket, len(_BOUNDS) - 1)] * _MIDPOINT
    return None
