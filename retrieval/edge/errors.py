"""Translates the embedded engine's errors into ours."""

import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from retrieval.errors import IndexUnavailableError

_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def engine_errors(failure: str) -> Iterator[None]:
    """Raise IndexUnavailableError with the text `failure` if the engine fails.

    The engine raises plain `Exception` for everything, and our own code never does: a subclass is a defect of
    this program and passes through unchanged.
    """
    try:
        yield
    except Exception as e:
        if type(e) is not Exception:
            raise
        raise IndexUnavailableError(f"{failure}: {e}") from e


def with_engine_errors(
    method: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Translate the engine's errors in a whole method."""

    @functools.wraps(method)
    async def translated(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with engine_errors("The index engine failed"):
            return await method(*args, **kwargs)

    return translated
