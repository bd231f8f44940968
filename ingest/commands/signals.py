"""Signal handling of the commands."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

REPEATED_SIGNAL_SECONDS = 5.0
"""Signals within so many seconds count as one: a terminal, systemd and a watch may all send one."""

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def restored_handlers() -> Iterator[None]:
    """Restore the caller's signal handlers when the block ends."""
    before = [(number, signal.getsignal(number)) for number in _NUMBERS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def stop_at_signals(clock: Callable[[], float] = time.monotonic) -> None:
    """Raise KeyboardInterrupt on Ctrl-C and SIGTERM, so that a run stops at once and cleans up.

    asyncio's own handler waits until the job awaits something, which embedding does not do. Without a
    handler, the first process of a container ignores SIGTERM. A signal shortly after another is ignored,
    because it would interrupt the cleanup; a later one interrupts it.
    """
    stopped_at = -REPEATED_SIGNAL_SECONDS

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped_at
        now = clock()
        if now - stopped_at >= REPEATED_SIGNAL_SECONDS:
            stopped_at = now
            raise KeyboardInterrupt

    for number in _NUMBERS:
        signal.signal(number, stop)
