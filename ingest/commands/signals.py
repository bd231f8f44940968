"""How a command ends when it is asked to."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ONE_STOP = 5.0
"""Seconds in which several signals are one wish: a terminal, systemd and a watch may all pass it on."""


_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def handlers_given_back() -> Iterator[None]:
    """Let whoever called a command hear signals as before, once it has ended."""
    before = [(number, signal.getsignal(number)) for number in _NUMBERS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def stop_at_signals() -> None:
    """Let Ctrl-C and SIGTERM end a run at once, wherever it is, with its own cleaning up.

    asyncio's own handler waits for the job to await something, which embedding does not; and without a
    handler of its own, the first process of a container does not hear SIGTERM at all. A signal that soon
    follows another is passed over, as it would cut off the cleaning up; a later one does that.
    """
    stopped_at = -ONE_STOP

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped_at
        now = time.monotonic()
        if now - stopped_at >= ONE_STOP:
            stopped_at = now
            raise KeyboardInterrupt

    for number in _NUMBERS:
        signal.signal(number, stop)
