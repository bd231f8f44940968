"""Concurrent calls to an index, if its engine is remote."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, overload

from retrieval.index.reading import VideoIndex

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")


@overload
async def gather_if_remote(
    index: VideoIndex, a: Coroutine[Any, Any, _A], b: Coroutine[Any, Any, _B], /
) -> tuple[_A, _B]: ...


@overload
async def gather_if_remote(
    index: VideoIndex, a: Coroutine[Any, Any, _A], b: Coroutine[Any, Any, _B], c: Coroutine[Any, Any, _C], /
) -> tuple[_A, _B, _C]: ...


async def gather_if_remote(index: VideoIndex, /, *calls: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """Await independent calls to an index: concurrently if they cross the network, otherwise in order.

    If one call fails, the others are cancelled and its error is raised. An embedded engine runs on the
    caller's thread, so that tasks would only add overhead: about a tenth of a search.
    """
    if not index.is_remote:
        return await _await_in_order(calls)
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return tuple(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _await_in_order(calls: tuple[Coroutine[Any, Any, Any], ...]) -> tuple[Any, ...]:
    try:
        return tuple([await call for call in calls])
    finally:
        # A coroutine that was never started warns when it is deleted. Closing a finished one does nothing.
        for call in calls:
            call.close()
