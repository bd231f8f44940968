import asyncio

import pytest
import uvicorn
from litestar import Litestar

from api.server.connections import BoundedConnection
from api.server.metrics_server import MetricsServer, serving_metrics
from api.server.server import CannotListenError, address_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of a server that opens no socket."""
    events: list[str] = []

    async def startup(server: uvicorn.Server, *_: object) -> None:
        if server.config.port == 1:
            raise SystemExit(3)
        assert server.config.http is BoundedConnection
        events.append(f"listens on {server.config.host}:{server.config.port}")
        server.started = True

    async def shutdown(*_: object, **__: object) -> None:
        events.append("closed")

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown)
    return events


async def test_listens_as_long_as_the_block_lasts(events: list[str]) -> None:
    async with serving_metrics(Litestar(), "127.0.0.1", 9464):
        assert events == ["listens on 127.0.0.1:9464"]
    assert events == ["listens on 127.0.0.1:9464", "closed"]


async def test_closes_when_the_block_fails(events: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with serving_metrics(Litestar(), "127.0.0.1", 9464):
            raise ZeroDivisionError
    assert events[-1] == "closed"


async def test_an_address_that_is_taken_is_named(events: list[str]) -> None:
    with pytest.raises(
        CannotListenError, match=r"http://\[::1\]:1\. Set another METRICS_HOST or METRICS_PORT"
    ):
        async with serving_metrics(Litestar(), "::1", 1):
            pass
    assert events == []


@pytest.mark.usefixtures("events")
async def test_signals_are_left_to_the_main_server() -> None:
    server = MetricsServer(uvicorn.Config(Litestar(), lifespan="off"))
    with server.capture_signals():
        assert not asyncio.get_running_loop().remove_signal_handler(2)


def test_addresses_can_be_opened() -> None:
    assert address_of("::1", 80) == "http://[::1]:80"
    assert address_of("localhost", 80) == "http://localhost:80"
