"""The examples for cron and systemd are valid and run existing commands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.sync.watch import STOP_SECONDS
from tests.support.processes import REPOSITORY

SCHEDULE = REPOSITORY / "deploy" / "schedule"
UNITS = sorted(path.name for path in SCHEDULE.glob("vidsearch-*.*"))


def cron_command() -> str:
    """Return the command that cron passes to the shell."""
    lines = (SCHEDULE / "vidsearch.crontab").read_text(encoding="ascii").splitlines()
    scheduled = [line for line in lines if re.match(r"[\d*]", line)]
    assert len(scheduled) == 1
    assert "%" not in scheduled[0]  # It would be a line break.
    *when, user, command = scheduled[0].split(" ", 6)
    assert (when, user) == (["17", "3", "*", "*", "*"], "vidsearch")
    return command


@pytest.mark.parametrize(("code", "mailed"), [(0, ""), (1, ""), (3, "message\n"), (4, "message\n")])
def test_cron_sends_a_mail_only_if_a_run_failed(tmp_path: Path, code: int, mailed: str) -> None:
    program = tmp_path / ".venv/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> called\necho message >&2\nexit {code}\n')
    program.chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", "-c", cron_command()],
        env={"VIDSEARCH": str(tmp_path), "CATALOGUE": "/a b.jsonl", "REPORT": "/report.html"},
        check=False,
        text=True,
        capture_output=True,
    )
    assert (run.stdout, run.stderr) == (mailed, "")
    assert (run.returncode > 1) is (code > 1)
    called = (tmp_path / "called").read_text()
    assert called == "-m ingest sync /a b.jsonl --report /report.html\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert len(UNITS) == 3
    for name in UNITS:
        text = (SCHEDULE / name).read_text(encoding="ascii")
        (tmp_path / name).write_text(text.replace("/opt/vidsearch/.venv/bin/python", sys.executable))
    paths = [str(tmp_path / name) for name in UNITS]
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *paths],  # noqa: S607
        check=False,
        text=True,
        capture_output=True,
    )
    assert [line for line in found.stderr.splitlines() if "vidsearch" in line] == []
    assert found.returncode == 0


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_a_unit_runs_an_existing_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    unit = (SCHEDULE / name).read_text(encoding="ascii")
    command = re.search(r"^ExecStart=\S+ -m ingest (\w+) .*", unit, re.MULTILINE)
    assert command
    with pytest.raises(SystemExit):
        main([command[1], "--help"])
    options = re.findall(r" (--[a-z-]+)", command[0])
    shown = capsys.readouterr().out
    assert options
    assert all(option in shown for option in options)


def test_systemd_waits_longer_than_a_watch_waits_for_its_run() -> None:
    unit = (SCHEDULE / "vidsearch-watch.service").read_text(encoding="ascii")
    seconds = re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    assert seconds
    assert int(seconds[1]) >= STOP_SECONDS + 5
    assert f"{STOP_SECONDS:.0f} s for its cleanup" in unit
