"""A client of a service in a process of its own, so that what it does is not counted as the measuring's."""

import subprocess
import sys
from typing import TypeVar

import msgspec

from benchmarks.conditions import ROOT

_T = TypeVar("_T")


def run_client(module: str, job: msgspec.Struct, found: type[_T]) -> _T:
    """Give a client module its job as JSON and read what it found. Raises RuntimeError where it fails."""
    client = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        input=msgspec.json.encode(job),
        capture_output=True,
        check=False,
    )
    if client.returncode:
        raise RuntimeError(client.stderr.decode(errors="replace"))
    return msgspec.json.decode(client.stdout, type=found)
