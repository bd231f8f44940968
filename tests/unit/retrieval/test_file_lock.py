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


def test_a_second_run_is_refused_while_the_first_holds_it(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path),
        pytest.raises(RunInProgressError, match="Another ingest run is working on") as refused,
    ):
        try_lock(tmp_path)
    assert str(tmp_path) in str(refused.value)
    try_lock(tmp_path)


def test_two_indexes_have_two_locks(tmp_path: Path) -> None:
    with file_lock(tmp_path / "one"):
        try_lock(tmp_path / "two")


def fail_under(index_dir: Path) -> None:
    with file_lock(index_dir):
        raise ValueError("a source")


def test_a_run_that_fails_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a source"):
        fail_under(tmp_path)
    try_lock(tmp_path)


def test_the_lock_creates_the_index_folder(tmp_path: Path) -> None:
    with file_lock(tmp_path / "data" / "index"):
        assert (tmp_path / "data" / "index").is_dir()


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
