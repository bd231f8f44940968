"""A run in its own process; the program is a stand-in."""

import subprocess
import sys
from pathlib import Path

from ingest.sync.watch import run_sync_process, stop_process
from tests.support.processes import eventually

UNSTOPPABLE = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1], "ready").touch()
time.sleep(60)
"""


def test_a_run_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", UNSTOPPABLE, tmp_path]) as process:
        try:
            eventually(lambda: (tmp_path / "ready").exists() or None)
            stop_process(process, seconds=0.1)
            assert process.returncode == -9
        finally:
            process.kill()


def test_the_exit_code_of_the_run_is_returned() -> None:
    assert run_sync_process([Path("talks.csv")], ["--no-such-option"]) == 2
