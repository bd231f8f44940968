"""The first process of a container gets SIGTERM only if it has a handler, so the API sets one early."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import (
    PATIENCE,
    REPOSITORY,
    Ingest,
    can_unshare,
    command,
    environment,
    eventually,
    free_port,
)

_FIRST = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child"]


def child_of(process: subprocess.Popen[bytes]) -> int | None:
    assert process.poll() is None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else None


def hears_stop(process_id: int) -> bool | None:
    """Return whether a process has a handler for SIGTERM, by the kernel's mask of caught signals."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return True if caught >> (signal.SIGTERM - 1) & 1 else None


@pytest.mark.skipif(not can_unshare("--pid", "--fork"), reason="This machine allows no process namespace.")
def test_it_stops_while_it_is_still_importing(ingest: Ingest) -> None:
    own = environment(INDEX_DIR=str(ingest.index_dir), MODEL_DIR=str(ingest.model_dir), PORT=str(free_port()))
    program = [*_FIRST, *command("api")]
    with subprocess.Popen(program, cwd=REPOSITORY, env=own, stdout=subprocess.PIPE) as process:
        try:
            first = eventually(lambda: child_of(process))
            eventually(lambda: hears_stop(first))
            loaded = Path(f"/proc/{first}/maps").read_text(encoding="utf-8")
            assert "onnxruntime" not in loaded, "everything was imported before SIGTERM had a handler"
            os.kill(first, signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert process.stdout is not None
            assert process.stdout.read() == b""
        finally:
            process.kill()
