"""A stand-in for a Qdrant server: its wire on loopback ports, over the client's own in-memory emulation.

It ranks by brute force, has no indexes, and keeps its points to its end, whether it listens or not.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from tests.support.qdrant_faults import Faults, Seen
from tests.support.qdrant_grpc import GrpcListener
from tests.support.qdrant_http import LOOPBACK, HttpListener, held_port
from tests.support.qdrant_rest import rest_answer
from tests.support.qdrant_store import QdrantStore

_PATIENCE = 30.0


class QdrantServer:
    """Answers from entering to leaving it, on threads of its own; entered again, it has what it had.

    `port` and `grpc_port`, given or free ones, are its own for as long as it is entered: while it refuses
    connections, nobody else can answer there. Without `grpc` there is no second port.
    """

    def __init__(
        self, *, api_key: str | None = None, grpc: bool = False, port: int = 0, grpc_port: int = 0
    ) -> None:
        self.faults = Faults()
        self.store = QdrantStore()
        self._rest = HttpListener(rest_answer(self.store, api_key), self.faults, self._go)
        self._grpc = GrpcListener(self.store, api_key, self.faults, self._go) if grpc else None
        self._ports = [port, grpc_port] if grpc else [port]
        self._holding = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> int:
        return self._ports[0]

    @property
    def grpc_port(self) -> int:
        assert self._grpc is not None, "built without grpc=True"
        return self._ports[1]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def seen(self) -> list[Seen]:
        """Every request so far, in order."""
        return self.faults.seen

    def start(self) -> Self:
        """Take the ports and listen; raises OSError where one is taken already."""
        with ExitStack() as holding:
            holders = [holding.enter_context(held_port(port)) for port in self._ports]
            self._holding = holding.pop_all()
        self._ports = [_port(holder) for holder in holders]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qdrant-stand-in")
        self._thread.start()
        self.listen()
        return self

    def stop(self) -> None:
        """Close what is open, join the threads, give the ports back. It may be stopped already."""
        if self._loop is not None:
            self.refuse()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)
            self._loop.close()
            self._loop = None
        self._holding.close()

    def listen(self) -> None:
        """Answer again, with the same points on the same ports."""
        self._run(self._rest.listen(self.port))
        if self._grpc is not None:
            self._grpc.listen(self.grpc_port)

    def refuse(self) -> None:
        """Be gone: break every connection and refuse new ones, until `listen`."""
        self._run(self._rest.refuse())
        if self._grpc is not None:
            self._grpc.refuse()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _go(self) -> None:
        """Be gone in the middle of a request, which cannot wait for its own end."""
        assert self._loop is not None, "not started"
        refused = asyncio.run_coroutine_threadsafe(self._rest.refuse(), self._loop)
        if threading.current_thread() is self._thread:
            self._rest.close()
        else:
            refused.result(_PATIENCE)
        if self._grpc is not None:
            self._grpc.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None, "not started"
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)


def _port(holder: socket.socket) -> int:
    port: int = holder.getsockname()[1]
    return port
