"""The embedded engine's errors, turned into ours at the engine's door."""

import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from retrieval.errors import IndexUnavailableError

_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Raise IndexUnavailableError, with `what` could not be done, where the engine fails.

    The engine raises plain `Exception` for everything, and nothing of ours does: a subclass is a mistake in
    this program and passes through as it is.
    """
    try:
        yield
    except Exception as e:
        if type(e) is not Exception:
            raise
        raise IndexUnavailableError(f"{what}: {e}") from e


def with_engine_errors(
    method: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Put a whole method behind `engine_errors`."""

    @functools.wraps(method)
    async def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with engine_errors("The index engine failed"):
            return await method(*args, **kwargs)

    return guarded
