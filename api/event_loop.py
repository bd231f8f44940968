"""How late the event loop is: searches of an embedded index run on it, and keep everything else waiting."""

import asyncio
from collections.abc import Callable
from time import perf_counter

PERIOD_SECONDS = 0.25


async def watch_lag(tell: Callable[[float], None]) -> None:
    """Tell over and over, until cancelled, by how many seconds the loop was late."""
    while True:
        began = perf_counter()
        await asyncio.sleep(PERIOD_SECONDS)
        tell(max(0.0, perf_counter() - began - PERIOD_SECONDS))
