"""Runs a client in its own process, so that its work does not slow down the measuring process."""

import subprocess
import sys
from typing import TypeVar

import msgspec

from benchmarks.conditions import ROOT

_T = TypeVar("_T")


def run_client(module: str, job: msgspec.Struct, result: type[_T]) -> _T:
    """Pass a job to a client module as JSON, and return its result. Raises RuntimeError if it fails."""
    client = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        input=msgspec.json.encode(job),
        capture_output=True,
        check=False,
    )
    if client.returncode:
        raise RuntimeError(client.stderr.decode(errors="replace"))
    return msgspec.json.decode(client.stdout, type=result)
