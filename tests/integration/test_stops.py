"""SIGTERM under load: every request on an open connection is answered."""

import asyncio
import errno
import json
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
import uvicorn

from api.server.connections import BoundedConnection
from api.server.server import AnnouncingServer, refuse_handshakes
from tests.support.processes import PATIENCE, REPOSITORY, Ingest, environment, free_port, running_api
from tests.support.stopped_clients import Crowd, Said, searches

pytestmark = pytest.mark.anyio

LOADED_SECONDS = 0.6
QUERIES = ["growing tomatoes", "painting a wall", "baking bread", "camshaft", "rings of Saturn"]


def is_stopping(said: Said) -> bool:
    return said.status == 503 and json.loads(said.body)["code"] == "stopping"


async def test_no_request_is_lost_when_the_service_stops(ingest: Ingest, stops: int) -> None:
    answered = refused = 0
    lost = []
    for stop in range(stops):
        with running_api(ingest.index_dir, ingest.model_dir, SEARCH_CACHE="0") as api:
            port = int(api.address.rpartition(":")[2])
            crowd = Crowd(port, searches(QUERIES), seed=stop)
            probe = Crowd(port, [], seed=stop)
            asking = asyncio.gather(crowd.ask(steady=4, idle=24, anew=3), probe.watch("/readyz", 0.03))
            await asyncio.sleep(LOADED_SECONDS + 0.02 * (stop % 5))
            told = time.monotonic()
            api.process.terminate()
            assert await asyncio.to_thread(api.process.wait, PATIENCE) == 0
            await asking
        lost += [
            f"{one.kind}, {one.ended - told:.3f} s after SIGTERM: {one.why}"
            for one in crowd.lost + probe.lost
        ]
        stopping = [said for said in probe.answers if is_stopping(said)]
        assert stopping, "/readyz never reported that the service is stopping"
        assert all(is_stopping(said) for said in probe.answers if said.asked > stopping[0].given)
        late = [said for said in crowd.answers if said.asked > stopping[0].given]
        assert late, "no search was answered after /readyz reported that the service is stopping"
        assert all(said.closes for said in late)
        assert {said.status for said in crowd.answers} <= {200, 503}
        answered += len(crowd.answers)
        refused += sum(said.status == 503 for said in crowd.answers)
    sys.stdout.write(f"{stops} stops: {answered} answers, {refused} of them refusals, {len(lost)} lost\n")
    assert lost == []


async def answer_everything(_: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def listening() -> AnnouncingServer:
    config = uvicorn.Config(
        answer_everything, port=0, http=BoundedConnection, lifespan="off", log_config=None, ws="none"
    )
    config.load()
    server = AnnouncingServer(config, asyncio.Event(), 0)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    return server


def ask_without_a_pause(connection: socket.socket) -> None:
    """Send a request without giving an event loop the chance to read it."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def ends_with_an_answer(connection: socket.socket) -> bool:
    connection.settimeout(PATIENCE)
    with connection, connection.makefile("rb") as received:
        return received.read().endswith(b"\r\n\r\nok")


async def test_requests_that_arrived_before_the_port_closed_are_answered() -> None:
    server = await listening()
    address = server.servers[0].sockets[0].getsockname()
    idle = await asyncio.to_thread(socket.create_connection, address)
    while not server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it.
        await asyncio.sleep(0.01)
    waiting = socket.create_connection(address)
    ask_without_a_pause(idle)
    ask_without_a_pause(waiting)
    await server.shutdown()
    assert ends_with_an_answer(idle)
    assert ends_with_an_answer(waiting)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can drop the packets that open a connection")
def test_a_client_that_begins_to_connect_before_the_port_closes_is_refused_and_not_reset() -> None:
    port = socket.create_server(("127.0.0.1", 0))
    with port, socket.create_connection(port.getsockname()) as earlier, socket.socket() as later:
        refuse_handshakes(port.fileno())
        later.settimeout(0)
        assert later.connect_ex(port.getsockname()) == errno.EINPROGRESS
        accepted, _ = port.accept()
        port.close()
        with accepted:
            earlier.sendall(b"a request")
            assert accepted.recv(100) == b"a request"
        assert select.select([], [later], [], PATIENCE)[1]
        assert later.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


# Closes its index when a line arrives on standard input.
SLOWLY_CLOSING = """
import asyncio, contextlib, sys
from api import app
from api import command_line
from tests.unit.api.fakes import EchoSearcher

@contextlib.asynccontextmanager
async def open_search(_):
    yield EchoSearcher()
    print("closing", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print("closed", flush=True)

command_line.create_app = lambda settings, draining: app.create_app(
    settings, draining=draining, open_search=open_search
)
sys.exit(command_line.main([]))
"""


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_stop_it_before_the_index_is_closed(again: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY_CLOSING],
        cwd=REPOSITORY,
        env=environment(PORT=str(free_port()), DRAIN_SECONDS="0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        while not process.stdout.readline().startswith("Stop: "):
            assert process.poll() is None
        process.terminate()
        assert process.stdout.readline() == "closing\n"
        for _ in range(2):
            process.send_signal(again)
        assert process.communicate("close\n", timeout=PATIENCE) == ("closed\n", None)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
