"""The product's entry points, run as processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

import api.settings
import ingest.settings
from tests.support.open_gate import OPEN_GATE

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 300.0
"""Seconds after which a process that has not ended or answered counts as stuck."""

_OWN = {setting.name for setting in (*api.settings.SETTINGS, *ingest.settings.SETTINGS)}
_NOTHING_KEPT = {"EMBEDDINGS_DIR": "off", "KEYS_FILE": "/nonexistent/keys.json"}
"""Tests neither read nor write this checkout's embeddings cache and keys."""

_T = TypeVar("_T")

Finished = subprocess.CompletedProcess[str]


class Ingest(msgspec.Struct, frozen=True):
    """`python -m ingest` on one index folder."""

    index_dir: Path
    model_dir: Path
    embeddings_dir: Path | None = None

    def __call__(self, *arguments: str | Path) -> Finished:
        """Run one command and wait for its end."""
        return run_module("ingest", *arguments, **self.environment)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start one command without waiting for its end."""
        return subprocess.Popen(
            command("ingest", *arguments),
            cwd=REPOSITORY,
            env=environment(**self.environment),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def done(self, *arguments: str | Path) -> str:
        """Run a command that must succeed, and return its output."""
        finished = self(*arguments)
        assert finished.returncode == 0, finished.stderr + finished.stdout
        return finished.stdout

    @property
    def pointer(self) -> bytes:
        """The file that names the live version."""
        return (self.index_dir / "CURRENT").read_bytes()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "INDEX_DIR": str(self.index_dir),
            "MODEL_DIR": str(self.model_dir),
            "EMBEDDINGS_DIR": str(self.embeddings_dir or "off"),
            **OPEN_GATE,
        }


class Api(msgspec.Struct):
    """A running `python -m api`."""

    address: str
    process: subprocess.Popen[str]
    log: Path
    """Its standard output and error."""

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", params=parameters, timeout=PATIENCE)

    def wait_until_ready(self) -> None:
        """Wait until a canary search succeeds in time: on a busy machine, some do not."""
        eventually(lambda: self.get("/readyz").status_code == httpx.codes.OK or None)

    def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running_api(index_dir: Path, model_dir: Path, *arguments: str, **more: str) -> Iterator[Api]:
    """Start the service, wait until it answers, and kill it at the end if it still runs."""
    port = free_port()
    log = index_dir.parent / f"api-{port}.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command("api", *arguments),
            cwd=REPOSITORY,
            env=environment(INDEX_DIR=str(index_dir), MODEL_DIR=str(model_dir), PORT=str(port), **more),
            text=True,
            stdout=stderr,
            stderr=stderr,
        )
        api = Api(f"http://127.0.0.1:{port}", process, log)
        try:
            eventually(lambda: _answers(api))
            yield api
        finally:
            process.kill()
            process.wait(PATIENCE)


def run_module(module: str, *arguments: str | Path, within: float = PATIENCE, **own: str) -> Finished:
    """Run `python -m MODULE` and wait for its end. Raises TimeoutExpired after `within` seconds."""
    return subprocess.run(
        command(module, *arguments),
        cwd=REPOSITORY,
        env=environment(**own),
        check=False,
        text=True,
        capture_output=True,
        timeout=within,
    )


def command(module: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def environment(**own: str) -> dict[str, str]:
    """Return this process's environment without the product's variables, except `own`."""
    inherited = {name: value for name, value in os.environ.items() if name not in _OWN}
    return {**inherited, **_NOTHING_KEPT, "PYTHONDONTWRITEBYTECODE": "1", **own}


def can_unshare(*options: str) -> bool:
    """Return whether this machine allows a new namespace; some containers do not."""
    tried = ["unshare", "--map-root-user", *options, "true"]
    return shutil.which("unshare") is not None and (
        subprocess.run(tried, check=False, capture_output=True).returncode == 0
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def eventually(ask: Callable[[], _T | None], *, within: float = PATIENCE) -> _T:
    """Call `ask` until it returns something other than None; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if answer is not None:
            return answer
        assert time.monotonic() < deadline, f"no answer within {within} s"
        time.sleep(0.02)


def copied(index_dir: Path, to: Path) -> Path:
    """Copy an index folder with `cp`, which keeps the holes in sparse files."""
    subprocess.run(["cp", "-R", str(index_dir), str(to)], check=True)  # noqa: S607
    return to


def _answers(api: Api) -> bool | None:
    assert api.process.poll() is None, f"the service stopped: {api.log.read_text()}"
    try:
        return api.get("/livez").status_code > 0
    except httpx.TransportError:
        return None
