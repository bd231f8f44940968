"""Waiting in tests for what happens soon, without measuring how soon."""

import asyncio
from collections.abc import Callable

_LONGEST = 30.0


async def until(happened: Callable[[], object]) -> None:
    """Return when `happened()` is true; raises TimeoutError where it does not become so."""
    async with asyncio.timeout(_LONGEST):
        while not happened():  # noqa: ASYNC110 - what is waited for knows no events.
            await asyncio.sleep(0.001)


async def a_while(turns: int = 50) -> None:
    """Let everything that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
