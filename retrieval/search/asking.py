"""Asking an index several things that need nothing of each other."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, overload

from retrieval.index.reading import VideoIndex

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")


@overload
async def ask_together(
    index: VideoIndex, a: Coroutine[Any, Any, _A], b: Coroutine[Any, Any, _B], /
) -> tuple[_A, _B]: ...


@overload
async def ask_together(
    index: VideoIndex, a: Coroutine[Any, Any, _A], b: Coroutine[Any, Any, _B], c: Coroutine[Any, Any, _C], /
) -> tuple[_A, _B, _C]: ...


async def ask_together(index: VideoIndex, /, *asked: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """Wait for several answers of an index: at once where each is a way there and back, else in turn.

    Where one fails the others are given up. An embedded index answers on the caller's thread, so that tasks
    would only cost: a tenth of a search.
    """
    if not index.is_remote:
        return await _in_turn(asked)
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        return tuple(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _in_turn(asked: Sequence[Coroutine[Any, Any, Any]]) -> tuple[Any, ...]:
    answers = []
    try:
        for one in asked:
            answers.append(await one)  # noqa: PERF401 - what was answered must be known where one fails.
    finally:
        for unasked in asked[len(answers) :]:
            unasked.close()
    return tuple(answers)
