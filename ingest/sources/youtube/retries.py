"""Retries of requests that failed for a reason that may pass."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

_T = TypeVar("_T")

RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})
SERVER_ERRORS: Final = range(500, 600)


class RetryableError(Exception):
    """A failure that may pass. `final` is the exception to raise if it does not.

    `retry_after` is the pause in seconds that the server asked for, if it did.
    """

    def __init__(self, final: Exception, retry_after: float | None = None) -> None:
        super().__init__(str(final))
        self.final = final
        self.retry_after = retry_after


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request is tried, how long an answer may take, and how long the pauses are, in seconds."""

    attempts: int = 5
    timeout: float = 20.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def call(self, request: Callable[[], _T]) -> _T:
        """Return the result of `request`, which is repeated after a RetryableError.

        Raises the error's `final` after the last attempt. If the server asks for a pause longer than
        `longest_pause`, the request is not repeated.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._pause,
            retry=retry_if_exception(self._may_retry),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(request)
        except RetryableError as e:
            raise e.final from e

    def _may_retry(self, error: BaseException) -> bool:
        return isinstance(error, RetryableError) and (error.retry_after or 0.0) <= self.longest_pause

    def _pause(self, state: RetryCallState) -> float:
        """Double the pause each time, shortened at random so that clients do not return all at once."""
        error = state.outcome and state.outcome.exception()
        asked = error.retry_after if isinstance(error, RetryableError) else None
        pause = min(self.first_pause * 2.0 ** (state.attempt_number - 1), self.longest_pause)
        return max(pause * random.uniform(0.5, 1.0), asked or 0.0)  # noqa: S311 - no secret depends on it.


def read_retry_after(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header, given as seconds or as a date (RFC 9110)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
