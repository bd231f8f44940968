"""The docker command line."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

REPOSITORY = Path(__file__).resolve().parents[2]
BASE_IMAGE = "python:3.11-slim-bookworm"
STOP_SECONDS = 10
"""Seconds until `docker stop` kills a container."""

_PATIENCE = 90.0
_T = TypeVar("_T")

Finished = subprocess.CompletedProcess[str]


class Images(msgspec.Struct, frozen=True):
    """The names of the built images, and their common tag."""

    model: str
    ingest: str
    api: str
    tag: str


class Container(msgspec.Struct, frozen=True):
    """A running container, and the port of its API on this machine."""

    id: str
    port: int
    began: float

    def state(self) -> dict[str, Any]:
        """The state that Docker reports: Status, ExitCode, OOMKilled, Health."""
        state: dict[str, Any] = inspected(self.id)["State"]
        return state

    def run_inside(self, *command: str) -> Finished:
        return docker("exec", self.id, *command, check=False)

    def logs(self) -> str:
        finished = docker("logs", self.id)
        return finished.stdout + finished.stderr

    def get(self, path: str) -> tuple[int, Any]:
        """Return the status and the JSON of an answer. Raises OSError if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def wait_for(self, path: str) -> float:
        """Wait until a route returns 200; return the seconds since `docker run` started."""
        until(lambda: self._answers(path), or_say=self.logs)
        return time.monotonic() - self.began

    def stop(self) -> float:
        """Run `docker stop`; return its duration in seconds."""
        asked = time.monotonic()
        docker("stop", "--time", str(STOP_SECONDS), self.id)
        return time.monotonic() - asked

    def _answers(self, path: str) -> bool:
        try:
            return self.get(path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def docker(
    *arguments: str, check: bool = True, timeout: float = _PATIENCE, env: Mapping[str, str] | None = None
) -> Finished:
    """Run one docker command."""
    return run("docker", *arguments, check=check, timeout=timeout, env=env)


def run(
    *command: str, check: bool = True, timeout: float = _PATIENCE, env: Mapping[str, str] | None = None
) -> Finished:
    """Run a command in the repository; with `check`, it must succeed."""
    finished = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        check=False,
        text=True,
        capture_output=True,
        timeout=timeout,
    )
    if check:
        said = (finished.stdout + finished.stderr)[-4000:]
        assert finished.returncode == 0, f"{' '.join(command)} ended with {finished.returncode}:\n{said}"
    return finished


def inspected(name: str) -> dict[str, Any]:
    """Return the output of `docker inspect` for a container or an image."""
    known: dict[str, Any] = json.loads(docker("inspect", name).stdout)[0]
    return known


def is_here(image: str) -> bool:
    """Return whether the image is on this machine."""
    return docker("image", "inspect", image, check=False).returncode == 0


@contextmanager
def started(image: str, *options: str, command: Sequence[str] = (), port: int = 0) -> Iterator[Container]:
    """Start a container, and remove it with its data at the end."""
    began = time.monotonic()
    container = Container(docker("run", "--detach", *options, image, *command).stdout.strip(), port, began)
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container.id)


@contextmanager
def temporary_volume() -> Iterator[str]:
    """Create a volume, and remove it with its data at the end."""
    name = docker("volume", "create").stdout.strip()
    try:
        yield name
    finally:
        docker("volume", "rm", "--force", name)


def until(happened: Callable[[], _T], *, or_say: Callable[[], str], within: float = _PATIENCE) -> _T:
    """Repeat a call until its result is truthy, and return the result."""
    deadline = time.monotonic() + within
    while not (answer := happened()):
        assert time.monotonic() < deadline, f"not within {within} s; {or_say()}"
        time.sleep(0.02)
    return answer
