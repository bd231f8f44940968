import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.durable_files import file_lock
from retrieval.errors import RunInProgressError
from tests.support.processes import REPOSITORY

HOLD = """
import sys, time
from pathlib import Path
from retrieval.durable_files import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def try_lock(index_dir: Path) -> None:
    with file_lock(index_dir):
        pass


def test_a_killed_run_releases_the_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(RunInProgressError):
                try_lock(tmp_path)
        finally:
            holder.kill()
    try_lock(tmp_path)
