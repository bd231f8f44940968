"""A bounded least-recently-used cache. It is used on the event loop only, so it needs no lock."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class ResultCache(Generic[_K, _V]):
    """Stores up to `size` values of one type. A size of 0 stores none."""

    def __init__(self, size: int) -> None:
        """Create an empty cache."""
        self._size = size
        self._values: OrderedDict[_K, _V] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        """Return a value and mark it as used, or return None if it is not stored."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: _K, value: _V) -> None:
        """Store a value. If the cache is full, drop the least recently used value."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._size:
            self._values.popitem(last=False)
