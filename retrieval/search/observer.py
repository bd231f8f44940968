"""The observer of searches: it receives durations, counts and cache hits, but no query text.

A Searcher starts with `UNOBSERVED`, an observer that does nothing.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, ParamSpec, Protocol, TypeVar

Stage = Literal["encode", "vector", "lexical", "fuse"]
"""Embedding the query, vector search, word search, and sorting by the fused score."""

SearchKind = Literal["hybrid", "semantic", "lexical", "classic"]
"""A ranking mode, or the tutorial's search, which has none."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SearchObserver(Protocol):
    """Called during every search, on the event loop. Its methods must be fast and must not raise."""

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Enclose one stage, from its start to its end or error.

        One search enters some stages several times. With a remote index, stages may overlap.
        """

    def looked_up(self, *, hit: bool) -> None:
        """Count one lookup in the result cache."""

    def found(self, kind: SearchKind, videos: int) -> None:
        """Count one search with the number of videos on its first page, cached or not."""

    def degraded(self) -> None:
        """Count one search that is answered from words alone because its query was not embedded in time."""


class Unobserved:
    """A SearchObserver that does nothing."""

    _NOTHING = nullcontext()

    def stage(self, stage: Stage) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return an empty context."""
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
    call: Callable[_P, Awaitable[_T]],
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T:
    """Await `call(*args, **kwargs)` as one stage of a search.

    The parameter is a function, not a coroutine, so that no coroutine is left unawaited if this one is
    closed before it starts.
    """
    with observer.stage(stage):
        return await call(*args, **kwargs)
