"""What can go wrong with a Qdrant server, switched on and off by a test while one runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

_READING_POSTS = (
    "/points",
    "/points/scroll",
    "/points/count",
    "/query",
    "/query/batch",
    "/query/groups",
    "/facet",
)
_WRITING_RPCS = frozenset(
    {"Upsert", "Delete", "SetPayload", "OverwritePayload", "DeletePayload", "ClearPayload", "UpdateVectors"}
    | {
        "DeleteVectors",
        "UpdateBatch",
        "CreateFieldIndex",
        "DeleteFieldIndex",
        "Create",
        "Update",
        "UpdateAliases",
    }
)


class Seen(msgspec.Struct, frozen=True):
    """One request that came in: over gRPC the method is "GRPC" and the path "/qdrant.Points/Upsert"."""

    method: str
    path: str
    query: str = ""
    size: int = 0
    """Bytes of the body."""

    @property
    def writes(self) -> bool:
        if self.method == "GRPC":
            return self.path.rpartition("/")[2] in _WRITING_RPCS
        return self.method != "GET" and not (self.method == "POST" and self.path.endswith(_READING_POSTS))


class Fault(msgspec.Struct, frozen=True):
    """How a request is answered instead of well."""

    kind: Literal["close", "garbage", "gone", "half", "half_stall", "hang", "lost", "slow", "status"]
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the server does what was asked, so that only the answer is spoilt."""
        return self.kind in {"half", "half_stall", "lost", "slow"}


CLOSE = Fault("close")
"""Nothing is done, and the connection is closed without an answer."""
GARBAGE = Fault("garbage")
"""Nothing is done, and the answer is 200 with a body that is no JSON, as from a captive portal."""
GONE = Fault("gone")
"""Nothing is done, and the server is gone as of this request, until `QdrantServer.listen`."""
HALF = Fault("half")
"""It is done, but only half of the answer's body comes before the connection is closed."""
HALF_STALL = Fault("half_stall")
"""It is done, half of the answer's body comes, and then nothing more."""
HANG = Fault("hang")
"""Nothing is done, and no answer ever comes."""
LOST = Fault("lost")
"""It is done, and the connection is closed without an answer."""


def answering(status: int, *, retry_after: int | None = None) -> Fault:
    """Make the fault that does nothing and answers with an error."""
    return Fault("status", status=status, retry_after=retry_after)


def delaying(seconds: float) -> Fault:
    """Make the fault that does what is asked at once, and answers late."""
    return Fault("slow", seconds=seconds)


def every(_: Seen) -> bool:
    return True


def writes(seen: Seen) -> bool:
    return seen.writes


class _Rule:
    def __init__(self, fault: Fault, where: Callable[[Seen], bool], after: int, times: int | None) -> None:
        self.fault = fault
        self.where = where
        self.after = after
        self.times = times

    def applies(self) -> bool:
        """Count one request that the rule is about."""
        if self.after:
            self.after -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Faults:
    """The faults that are on, and the requests that were seen. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._seen: list[Seen] = []

    @property
    def seen(self) -> list[Seen]:
        """Every request so far, spoilt or not, in order."""
        with self._lock:
            return list(self._seen)

    def forget(self) -> None:
        """Empty the list of requests seen."""
        with self._lock:
            self._seen.clear()

    def start(
        self,
        fault: Fault,
        *,
        where: Callable[[Seen], bool] = every,
        after: int = 0,
        times: int | None = None,
    ) -> None:
        """Spoil requests from now on.

        Of the requests that `where` is true for, the next `after` go well, then `times` are spoilt, or all
        where it is None. Where several faults are on, the one started first has its way.
        """
        with self._lock:
            self._rules.append(_Rule(fault, where, after, times))

    @property
    def pending(self) -> bool:
        """Whether a fault that is to strike a number of times has yet to do so."""
        with self._lock:
            return any(rule.times is not None and rule.times > 0 for rule in self._rules)

    def clear(self) -> None:
        """Let all go well again. A request that hangs still hangs."""
        with self._lock:
            self._rules.clear()

    @contextmanager
    def on(self, fault: Fault, *, where: Callable[[Seen], bool] = every) -> Iterator[None]:
        """Spoil requests for as long as this is entered."""
        rule = _Rule(fault, where, 0, None)
        with self._lock:
            self._rules.append(rule)
        try:
            yield
        finally:
            with self._lock:
                if rule in self._rules:
                    self._rules.remove(rule)

    def meet(self, seen: Seen) -> Fault | None:
        """Note a request, and say how it is to be spoilt."""
        with self._lock:
            self._seen.append(seen)
            # Every rule counts every request of its own, also where another one spoils it.
            met = [rule.fault for rule in self._rules if rule.where(seen) and rule.applies()]
        return met[0] if met else None
