"""The server: says where it listens, and stops without losing a request that it has let in."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType

import uvicorn

from api.observability.readiness import Draining
from retrieval.errors import VidsearchError

HEARD_SECONDS = 0.5
"""For how long who is connected may still ask once the port is closed: a request may be on its way."""

GRACE_SECONDS = 5
"""How long requests in flight may take to finish after that. All in all it stops within 9 seconds."""

_LOOK_SECONDS = 0.02


class AnnouncingServer(uvicorn.Server):
    """A server that says where it listens and that it is about to stop, and leaves the process alone."""

    def __init__(self, config: uvicorn.Config, draining: Draining, drain_seconds: float) -> None:
        """Begin `draining` at SIGTERM, and stop so many seconds later."""
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then print one line. Raises CannotListenError."""
        address = address_of(self.config.host, self.config.port)
        try:
            await super().startup(sockets)
        except SystemExit as error:
            # Left alone it would end the process before the index is closed, and uvicorn has logged why.
            raise CannotListenError(f"Cannot listen on {address}. Set another HOST or PORT.") from error
        sys.stdout.write(
            f"vidsearch listens on {address}. Try: curl '{address}/v1/search?query=your+question'\n"
        )
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, answer whoever has connected by then, and close what is left.

        uvicorn alone resets the connections that it has not accepted or has not read a request from.
        """
        await self._close_port()
        await self._hear_out()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop now, or, at the first SIGTERM, once whoever sends requests had time to see that it will."""
        had_begun = self._draining.has_begun
        self._draining.begin()
        if sig != signal.SIGTERM or had_begun:
            super().handle_exit(sig, frame)
            return
        asyncio.get_running_loop().call_later(self._drain_seconds, super().handle_exit, sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM or Ctrl-C, and do nothing more at the next one.

        uvicorn's own way raises the signal again at the end, which kills the process before the index is
        closed. So would one that comes then: it is heard until the event loop ends, which is after that.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def _close_port(self) -> None:
        accepted = []
        for server in self.servers:
            for listening in server.sockets:
                accepted += accept_waiting(listening.fileno())
            server.close()
        loop = asyncio.get_running_loop()
        for waiting in accepted:
            await loop.connect_accepted_socket(self._connection, waiting)

    def _connection(self) -> asyncio.Protocol:
        connection: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            self.config, self.server_state, self.lifespan.state
        )
        return connection

    async def _hear_out(self) -> None:
        """Wait until nobody is connected any more, but not for long: a connection may have nothing to ask."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HEARD_SECONDS
        # Who has only just been accepted is counted from the loop's next turn on.
        await asyncio.sleep(0)
        while (  # noqa: ASYNC110 - uvicorn keeps a set, and tells nobody when it changes.
            not self.force_exit and loop.time() < deadline and self.server_state.connections
        ):
            await asyncio.sleep(_LOOK_SECONDS)


def accept_waiting(listening: int) -> list[socket.socket]:
    """Accept whoever has connected to a port (a file descriptor) and was not accepted yet."""
    accepted = []
    # A socket of our own on the same port: the event loop does not lend its own.
    with socket.socket(fileno=os.dup(listening)) as port:
        port.settimeout(0)
        with contextlib.suppress(OSError):  # Nobody waits any more, or no more can be let in.
            while True:
                connection, _ = port.accept()
                connection.settimeout(0)
                accepted.append(connection)
    return accepted


class CannotListenError(VidsearchError):
    """The address is taken, or is none of this machine's."""


def address_of(host: str, port: int) -> str:
    """Write a host and a port as an address that can be opened."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
