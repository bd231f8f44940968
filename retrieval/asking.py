"""Asking an index several things that need nothing of each other."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, overload

from retrieval.index import VideoIndex

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")


@overload
async def ask_together(index: VideoIndex, a: Awaitable[_A], b: Awaitable[_B], /) -> tuple[_A, _B]: ...


@overload
async def ask_together(
    index: VideoIndex, a: Awaitable[_A], b: Awaitable[_B], c: Awaitable[_C], /
) -> tuple[_A, _B, _C]: ...


async def ask_together(index: VideoIndex, /, *asked: Awaitable[Any]) -> tuple[Any, ...]:
    """Wait for several answers of an index: at once where each is a way there and back, else in turn.

    An embedded index answers on the caller's thread, so that tasks would only cost: a tenth of a search.
    """
    if index.is_remote:
        return tuple(await asyncio.gather(*asked))
    return tuple([await one for one in asked])
