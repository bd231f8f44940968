"""Checks that code takes linear time, without a limit in seconds."""

import gc
from collections.abc import Callable
from time import thread_time

_FACTOR = 8
_LIMIT = 5 * _FACTOR
"""Linear code takes about 8 times as long for 8 times the size, quadratic code 64 times."""
_RESOLUTION = 0.002


def assert_linear(run: Callable[[int], object], size: int) -> None:
    """Fail if `run(8 * size)` takes more than 40 times the processor time of `run(size)`.

    The fastest of three runs counts. A run for `size` that takes less than 2 ms counts as 2 ms.
    """
    small, large = max(_fastest(run, size), _RESOLUTION), _fastest(run, _FACTOR * size)
    assert large < _LIMIT * small, f"{large / small:.1f} times the time for {_FACTOR} times the size"


def _fastest(run: Callable[[int], object], size: int) -> float:
    times = []
    gc.freeze()
    try:
        for _ in range(3):
            started = thread_time()
            run(size)
            times.append(thread_time() - started)
    finally:
        gc.unfreeze()
    return min(times)
