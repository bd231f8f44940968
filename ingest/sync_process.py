"""A sync in a process of its own: what it needs is given back, and whatever happens to it stays there."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

STOP_PATIENCE = 20.0
"""Seconds that a run has for its cleaning up; deploy/schedule gives the watch itself some more."""


def run_sync_process(sources: Sequence[Path], options: Sequence[str]) -> int:
    """Run one sync on this process's output, and return its exit code, -9 where signal 9 killed it.

    Where this process is told to stop, so is the run, and it is waited for. Raises OSError where it cannot
    be started.
    """
    command = [sys.executable, "-m", "ingest", "sync", *options, "--", *map(str, sources)]
    process = subprocess.Popen(command)  # noqa: S603 - our own program.
    try:
        return process.wait()
    finally:
        stop_process(process)


def stop_process(process: "subprocess.Popen[bytes]", patience: float = STOP_PATIENCE) -> None:
    """Tell a process to stop, and kill it where it still runs after `patience` seconds."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    finally:
        process.kill()
        process.wait()
