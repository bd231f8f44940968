"""Asking a server again when what went wrong may pass."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import msgspec

_T = TypeVar("_T")

TOO_EARLY: Final = frozenset({408, 425, 429})
SERVER_ERRORS: Final = range(500, 600)


class TryAgainError(Exception):
    """Something that may pass. `final` is what to raise if it does not.

    `retry_after` is how many seconds the server asks to be left alone, where it says so.
    """

    def __init__(self, final: Exception, retry_after: float | None = None) -> None:
        super().__init__(str(final))
        self.final = final
        self.retry_after = retry_after


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How often something is tried, and how long is waited: for an answer, and between the tries."""

    tries: int = 5
    answer_seconds: float = 20.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    sleep: Callable[[float], object] = time.sleep

    def call(self, ask: Callable[[], _T]) -> _T:
        """Return what `ask` gives, asking again after each TryAgainError as long as patience lasts.

        A server that asks for a pause longer than the longest is not asked again: it said when to come back.
        """
        for pause in self._pauses():
            try:
                return ask()
            except TryAgainError as e:
                if e.retry_after is not None and e.retry_after > self.longest_pause:
                    raise e.final from e
                self.sleep(max(pause, e.retry_after or 0.0))
        try:
            return ask()
        except TryAgainError as e:
            raise e.final from e

    def _pauses(self) -> Iterator[float]:
        """Yield pauses that double, each cut by a random part so that clients do not come back as one."""
        for number in range(self.tries - 1):
            pause = min(self.first_pause * 2.0**number, self.longest_pause)
            yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it.


def read_retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as a date (RFC 9110)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
