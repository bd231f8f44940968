"""`/metrics` on a port of its own, for a network that API clients cannot reach."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar

from api.server.announcement import listening_errors
from api.server.connections import BoundedConnection

_GRACE_SECONDS = 1


class MetricsServer(uvicorn.Server):
    """A second server in the process. It handles no signals, and sets `listens` once its port is open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port. Raises CannotListenError."""
        with listening_errors(self.config.host, self.config.port, metrics=True):
            await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the main server."""
        yield


@asynccontextmanager
async def serving_metrics(app: Litestar, host: str, port: int) -> AsyncIterator[None]:
    """Serve an app without a lifespan until the block ends. Raises CannotListenError."""
    server = MetricsServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve())
    listening = asyncio.create_task(server.listens.wait())
    try:
        await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield
    finally:
        listening.cancel()
        server.should_exit = True
        if not serving.done():
            await serving
