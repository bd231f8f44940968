"""Waiting for a condition on the event loop."""

import asyncio
from collections.abc import Callable

_LONGEST = 60.0


async def until(happened: Callable[[], object]) -> None:
    """Return when `happened()` is true. Raises TimeoutError after a minute."""
    async with asyncio.timeout(_LONGEST):
        while not happened():  # noqa: ASYNC110 - the condition has no event.
            await asyncio.sleep(0.001)


async def a_while() -> None:
    """Let other tasks run for a few turns of the event loop."""
    for _ in range(50):
        await asyncio.sleep(0)
