"""A bounded cache of answers, the least recently used dropped first. Event-loop only, so it needs no lock."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_V = TypeVar("_V")


class ResultCache(Generic[_V]):
    """Keeps up to `size` values; a size of 0 keeps none."""

    def __init__(self, size: int) -> None:
        """Keep up to `size` values."""
        self._size = size
        self._values: OrderedDict[Hashable, _V] = OrderedDict()

    def get(self, key: Hashable) -> _V | None:
        """Fetch a value and mark it as used; None where it is not kept."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: _V) -> None:
        """Keep a value, dropping the one unused for longest where there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._size:
            self._values.popitem(last=False)
