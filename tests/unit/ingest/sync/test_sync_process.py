"""A run in its own process; the program is a stand-in."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.sync import watch as sync_process
from ingest.sync.watch import run_sync_process, stop_process
from tests.support.processes import eventually

CLEANUP = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path(sys.argv[1], "cleaned").touch()
    sys.exit(4)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1], "ready").touch()
time.sleep(60)
"""
UNSTOPPABLE = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1], "ready").touch()
time.sleep(60)
"""


@contextmanager
def running(program: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", program, folder]) as process:
        try:
            eventually(lambda: (folder / "ready").exists() or None)
            yield process
        finally:
            process.kill()


def test_a_stopped_run_cleans_up(tmp_path: Path) -> None:
    with running(CLEANUP, tmp_path) as process:
        stop_process(process)
        assert process.returncode == 4
    assert (tmp_path / "cleaned").exists()


def test_a_run_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with running(UNSTOPPABLE, tmp_path) as process:
        stop_process(process, seconds=0.1)
        assert process.returncode == -9


class Interrupted:
    """A process whose first wait is interrupted by Ctrl-C."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.calls: list[str] = []

    def wait(self, timeout: float | None = None) -> int:
        self.calls.append(f"wait {timeout}")
        if len(self.calls) == 1:
            raise KeyboardInterrupt
        return 4

    def terminate(self) -> None:
        self.calls.append("terminate")

    def kill(self) -> None:
        self.calls.append("kill")


def test_stopping_the_watch_stops_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Interrupted] = []

    def start(command: list[str]) -> Interrupted:
        started.append(Interrupted(command))
        return started[0]

    monkeypatch.setattr(sync_process.subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt):
        run_sync_process([Path("-odd.csv")], ["--prune"])
    (process,) = started
    assert process.command[1:] == ["-m", "ingest", "sync", "--prune", "--", "-odd.csv"]
    assert process.calls[:3] == ["wait None", "terminate", "wait 20.0"]


def test_the_exit_code_of_the_run_is_returned() -> None:
    assert run_sync_process([Path("talks.csv")], ["--no-such-option"]) == 2
