"""What a search tells whoever watches it: how long its stages take, and what it found. Never what was asked.

Nobody watches unless someone asks to: the observer that there is from the start does nothing.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, ParamSpec, Protocol, TypeVar

Stage = Literal["encode", "vector", "lexical", "fuse"]
"""Embedding the query; comparing vectors; comparing words; putting videos, or moments, in order."""

SearchKind = Literal["hybrid", "semantic", "lexical", "classic"]
"""A mode of ranking, or the tutorial's search, which has none."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SearchObserver(Protocol):
    """Told of every search while it happens, on its event loop: what it does must be quick and never fail."""

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Cover one stage, from its start to its end or its error.

        A search enters some stages more than once, and beside a server some at the same time.
        """

    def looked_up(self, *, hit: bool) -> None:
        """Tell whether an answer was among those kept."""

    def found(self, kind: SearchKind, videos: int) -> None:
        """Tell how many videos the first page of a search has, whether it was kept or looked for."""

    def degraded(self) -> None:
        """Tell that a search is answered from words alone, since its query was not embedded in time."""


class Unobserved:
    """The SearchObserver that does nothing."""

    _NOTHING = nullcontext()

    def stage(self, stage: Stage) -> AbstractContextManager[None]:  # noqa: ARG002
        """Cover nothing."""
        return self._NOTHING

    def looked_up(self, *, hit: bool) -> None:
        """Do nothing."""

    def found(self, kind: SearchKind, videos: int) -> None:
        """Do nothing."""

    def degraded(self) -> None:
        """Do nothing."""


UNOBSERVED = Unobserved()


async def observed(
    observer: SearchObserver,
    stage: Stage,
    ask: Callable[_P, Awaitable[_T]],
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T:
    """Ask something as one stage of a search.

    It takes the question and not a coroutine: one that is given up before it begins leaves nothing unasked.
    """
    with observer.stage(stage):
        return await ask(*args, **kwargs)
