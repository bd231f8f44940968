"""A run in its own process; the program is a stand-in."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def test_the_exit_code_of_the_run_is_returned() -> None:
    assert run_sync_process([Path("talks.csv")], ["--no-such-option"]) == 2
