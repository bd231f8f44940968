"""Runs the ingest command as a user does, and measures its time and memory."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.conditions import ROOT, model_dir
from benchmarks.process_memory import memory_of

_LOCK = "lock"
_DONE = (0, 1)
"""The exit codes of success, and of success with rejected rows."""


class Run(msgspec.Struct, frozen=True):
    """One run of a command: its output, exit code, seconds, and peak memory in MB (10^6 bytes)."""

    output: str
    code: int
    seconds: float
    peak: float


def ingest(index_dir: Path, *arguments: str | Path) -> Run:
    """Run `python -m ingest`. Raises RuntimeError if it fails."""
    # Without cached embeddings, because the time of embedding is measured.
    own = {"INDEX_DIR": str(index_dir), "MODEL_DIR": str(model_dir()), "EMBEDDINGS_DIR": "off"}
    environment = {**os.environ, **own}
    with tempfile.TemporaryFile() as log:
        began = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        peak = 0.0
        while process.poll() is None:
            with suppress(ProcessLookupError):
                peak = max(peak, memory_of(process.pid).peak)
            time.sleep(0.1)
        seconds = perf_counter() - began
        log.seek(0)
        output = log.read().decode(errors="replace")
    if process.returncode not in _DONE:
        raise RuntimeError(f"ingest exited with code {process.returncode}\n{output[-3000:]}")
    return Run(output, process.returncode, seconds, peak)


def versions_of(index_dir: Path) -> dict[str, tuple[int, int]]:
    """Return the size and modification time of every file of an index folder except the lock."""
    files = (path for path in index_dir.rglob("*") if path.is_file() and path.name != _LOCK)
    return {
        str(path.relative_to(index_dir)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files
    }
