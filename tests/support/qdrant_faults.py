"""Faults of a Qdrant server that a test switches on and off while the stand-in runs."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

LOOPBACK = "127.0.0.1"
_WRITES = frozenset(
    {"Upsert", "Delete", "SetPayload", "UpdateBatch", "CreateFieldIndex", "Create", "Update", "UpdateAliases"}
)


class Call(msgspec.Struct, frozen=True):
    """One gRPC call that the stand-in received, such as "/qdrant.Points/Upsert"."""

    path: str
    collection: str = ""

    @property
    def method(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def writes(self) -> bool:
        return self.method in _WRITES


class Fault(msgspec.Struct, frozen=True):
    """How a gRPC call fails. `executed`: the server executes the request before the response is lost."""

    kind: Literal["close", "gone", "hang", "late", "lost", "status"]
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0

    @property
    def executed(self) -> bool:
        return self.kind in {"lost", "late"}


CLOSE = Fault("close")
"""The request is not executed, and the connection breaks."""
GONE = Fault("gone")
"""The request is not executed, and the server refuses connections until `QdrantServer.listen`."""
HANG = Fault("hang")
"""The request is not executed, and no response is ever sent."""
LOST = Fault("lost")
"""The request is executed, and the connection breaks before the response."""


def answering(status: int, *, retry_after: int | None = None) -> Fault:
    """Make a fault that does not execute the request and returns the gRPC status for this HTTP status."""
    return Fault("status", status=status, retry_after=retry_after)


def delaying(seconds: float) -> Fault:
    """Make a fault that executes the request at once and delays the response."""
    return Fault("late", seconds=seconds)


def every(_: Call) -> bool:
    return True


def writes(call: Call) -> bool:
    return call.writes


class _Rule:
    def __init__(self, fault: Fault, where: Callable[[Call], bool], after: int, times: int | None) -> None:
        self.fault = fault
        self.where = where
        self.after = after
        self.times = times

    def applies(self) -> bool:
        """Count one call that matches the rule, and return whether it fails."""
        if self.after:
            self.after -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Faults:
    """The active faults and the calls received so far. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._calls: list[Call] = []

    @property
    def calls(self) -> list[Call]:
        """Every call since the last `forget`, failed or not, in order."""
        with self._lock:
            return list(self._calls)

    def forget(self) -> None:
        """Empty the list of calls."""
        with self._lock:
            self._calls.clear()

    def start(
        self,
        fault: Fault,
        *,
        where: Callable[[Call], bool] = every,
        after: int = 0,
        times: int | None = None,
    ) -> None:
        """Make calls fail from now on.

        Of the calls that match `where`, the next `after` succeed, then `times` fail; all of them if it is
        None. If several faults match one call, the one started first applies.
        """
        with self._lock:
            self._rules.append(_Rule(fault, where, after, times))

    @property
    def pending(self) -> bool:
        """Whether a fault with a limited number of failures has some left."""
        with self._lock:
            return any(rule.times is not None and rule.times > 0 for rule in self._rules)

    def clear(self) -> None:
        """Switch every fault off. A call that hangs keeps hanging."""
        with self._lock:
            self._rules.clear()

    @contextmanager
    def on(self, fault: Fault, *, where: Callable[[Call], bool] = every) -> Iterator[None]:
        """Make calls fail inside the block."""
        rule = _Rule(fault, where, 0, None)
        with self._lock:
            self._rules.append(rule)
        try:
            yield
        finally:
            with self._lock:
                if rule in self._rules:
                    self._rules.remove(rule)

    def next_for(self, call: Call) -> Fault | None:
        """Record a call, and return the fault that applies to it."""
        with self._lock:
            self._calls.append(call)
            # Every matching rule counts the call, also if another rule makes it fail.
            active = [rule.fault for rule in self._rules if rule.where(call) and rule.applies()]
        return active[0] if active else None


class BrokenResponse(msgspec.Struct, frozen=True):
    """What a socket sends to each HTTP request before it closes the connection, or falls silent."""

    content: bytes = b""
    stalls: bool = False


_HALF = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 200\r\n\r\n{"result": ['
BROKEN_RESPONSES = {
    "hangs": BrokenResponse(stalls=True),
    "closes": BrokenResponse(),
    "500": BrokenResponse(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"),
    "401": BrokenResponse(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
    "half a response": BrokenResponse(_HALF),
    "half a response, then silence": BrokenResponse(_HALF, stalls=True),
    "no JSON": BrokenResponse(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>"),
}


@contextmanager
def broken_socket(port: int, response: BrokenResponse) -> Iterator[None]:
    """Listen on a loopback port and send this to every request, inside the block."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(1 << 16):
                self.request.sendall(response.content)
                if response.stalls:
                    over.wait()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore a client that gave up."""

    with Server((LOOPBACK, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            over.set()
            server.shutdown()
            thread.join()
