"""The compared services, each in its own process on a free port."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.conditions import ROOT, model_dir
from tests.support.qdrant_server import QdrantServer

_LONGEST_START = 120.0
_BETWEEN_TRIES = 0.005
_CANARY = "/search?query=text+embeddings"


class Server(msgspec.Struct, frozen=True):
    """A running service. `started_in`: seconds from the start of its process to the first answer."""

    host: str
    port: int
    pid: int
    started_in: float


@contextmanager
def our_api(index_dir: Path, **settings: str) -> Iterator[Server]:
    """Run our API without its result cache, with additional `settings` in its environment."""
    where = {"INDEX_DIR": str(index_dir), "MODEL_DIR": str(model_dir())}
    environment = {**where, "SEARCH_CACHE": "0", **settings}
    with _running([sys.executable, "-m", "api"], environment) as server:
        yield server


@contextmanager
def api_beside_qdrant(qdrant: QdrantServer) -> Iterator[Server]:
    """Run our API next to a Qdrant server, with its result cache off."""
    environment = {**qdrant_environment(qdrant), "SEARCH_CACHE": "0"}
    with _running([sys.executable, "-m", "api"], environment) as server:
        yield server


def qdrant_environment(qdrant: QdrantServer) -> dict[str, str]:
    """Return the environment of a process that uses this Qdrant server over gRPC."""
    return {
        **os.environ,
        "MODEL_DIR": str(model_dir()),
        "EMBEDDINGS_DIR": "off",
        "QDRANT_URL": qdrant.url,
        "QDRANT_GRPC_PORT": str(qdrant.grpc_port),
    }


@contextmanager
def tutorial_service() -> Iterator[Server]:
    """Run the tutorial's rule on FastAPI, like the tutorial."""
    with _running([sys.executable, "-m", "benchmarks.tutorial_baseline"], {}) as server:
        yield server


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        began = perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment, "HOST": "127.0.0.1", "PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            try:
                _wait_for_answer(process, port)
            except TimeoutError as e:
                log.seek(0)
                tail = log.read()[-3000:].decode(errors="replace")
                raise RuntimeError(f"{' '.join(command)}: {e}\n{tail}") from None
            yield Server("127.0.0.1", port, process.pid, perf_counter() - began)
        finally:
            _stop(process)


def _wait_for_answer(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = perf_counter() + _LONGEST_START
    while perf_counter() < deadline:
        if process.poll() is not None:
            raise TimeoutError(f"exited with code {process.returncode} before its first answer")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", _CANARY)
            if connection.getresponse().status == http.client.OK:
                connection.close()
                return
        connection.close()
        time.sleep(_BETWEEN_TRIES)
    raise TimeoutError(f"no search was answered within {_LONGEST_START:.0f} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        print(f"  process {process.pid} did not stop within 20 s of SIGTERM and was killed")
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
