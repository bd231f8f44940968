"""The uvicorn server: prints its address, and stops without losing a request that it has accepted.

This overrides internals of uvicorn.Server, so pyproject.toml caps uvicorn below the next minor version. Check
the overrides before raising the cap.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from types import FrameType

import uvicorn

from api.server.announcement import announce, listening_errors

HANDSHAKE_SECONDS = 0.2
"""How long clients that began to connect before the port closes may take to finish: about a round trip."""

LAST_REQUESTS_SECONDS = 0.5
"""How long connected clients may still send a request after the port is closed: one may be on its way."""

GRACE_SECONDS = 5
"""How long requests in flight may take after that. In total, the service stops within 9 seconds."""

_POLL_SECONDS = 0.02

_SO_ATTACH_FILTER = 26
"""The option of Linux; Python's socket module does not name it."""

_DROP_SYN = (
    (0x30, 0, 0, 13),  # Load the byte of the TCP header that holds the flags.
    (0x45, 0, 1, 0x02),  # If SYN is not set, skip one instruction.
    (0x06, 0, 0, 0),  # Drop the packet.
    (0x06, 0, 0, 0xFFFFFFFF),  # Keep all of it.
)
"""A classic BPF program: (operation, jump if true, jump if false, operand) of each instruction."""


class AnnouncingServer(uvicorn.Server):
    """Prints its address, begins draining before it stops, and never ends the process itself."""

    def __init__(self, config: uvicorn.Config, draining: asyncio.Event, drain_seconds: float) -> None:
        """Set `draining` at SIGTERM, and stop `drain_seconds` later."""
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then print the address. Raises CannotListenError."""
        host, port = self.config.host, self.config.port
        with listening_errors(host, port):
            await super().startup(sockets)
        announce(host, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, answer the clients that have connected by then, and close their connections.

        uvicorn alone would reset connections that it has not accepted, or whose request it has not read.
        """
        await self._close_port()
        await self._await_last_requests()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop now; at the first SIGTERM, stop after load balancers had time to notice (DRAIN_SECONDS)."""
        had_begun = self._draining.is_set()
        self._draining.set()
        if sig != signal.SIGTERM or had_begun:
            super().handle_exit(sig, frame)
            return
        asyncio.get_running_loop().call_later(self._drain_seconds, super().handle_exit, sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and Ctrl-C until the event loop ends, which is after the index is closed.

        uvicorn's own implementation raises the signal again at the end, which kills the process before the
        index is closed. A second signal at that time would do the same.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def _close_port(self) -> None:
        ports = [listening.fileno() for server in self.servers for listening in server.sockets]
        for port in ports:
            refuse_handshakes(port)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        accepted = [client for port in ports for client in accept_pending(port)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for client in accepted:
            await loop.connect_accepted_socket(self._connection, client)

    def _connection(self) -> asyncio.Protocol:
        connection: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            self.config, self.server_state, self.lifespan.state
        )
        return connection

    async def _await_last_requests(self) -> None:
        """Wait until no client is connected, but not for long: an idle connection may have no request."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LAST_REQUESTS_SECONDS
        # The loop's next turn adds the connections that were just accepted.
        await asyncio.sleep(0)
        while (  # noqa: ASYNC110 - uvicorn keeps a set without an event for its changes.
            not self.force_exit and loop.time() < deadline and self.server_state.connections
        ):
            await asyncio.sleep(_POLL_SECONDS)


def refuse_handshakes(listening: int) -> None:
    """Let no further client begin to connect to a port (a file descriptor); Linux only.

    Otherwise a client can connect between the last `accept` and the close, which resets its connection after
    it has sent a request. A client whose SYN is dropped sends it again a second later, and is refused.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _DROP_SYN))
    with _duplicate(listening) as port, contextlib.suppress(OSError):  # A sandbox may forbid the option.
        port.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program)),
        )


def accept_pending(listening: int) -> list[socket.socket]:
    """Accept the clients that have connected to a port (a file descriptor) and were not accepted yet."""
    accepted = []
    with _duplicate(listening) as port:
        port.settimeout(0)
        with contextlib.suppress(OSError):  # No client is left, or no file descriptor.
            while True:
                connection, _ = port.accept()
                connection.settimeout(0)
                accepted.append(connection)
    return accepted


def _duplicate(listening: int) -> socket.socket:
    """Another socket object on the same port: the event loop does not expose its own."""
    return socket.socket(fileno=os.dup(listening))
