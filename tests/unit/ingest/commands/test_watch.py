"""`ingest watch` in this process; it does not wait, and its runs are stand-ins."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.commands import watch as watch_command
from ingest.commands.command_line import parse
from ingest.commands.watch import sync_options
from ingest.sync import watch as sync_process

ALL = ("--prune", "--accept", "future-dates", "--language", "de", "--language", "en")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Sequence[Path], Sequence[str]]]:
    """The sources and options of the runs until the watch is stopped at its third look."""
    runs: list[tuple[Sequence[Path], Sequence[str]]] = []
    looks = []

    def run(sources: Sequence[Path], options: Sequence[str]) -> int:
        runs.append((sources, options))
        return 0

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(sync_process, "run_sync_process", run)
    monkeypatch.setattr(watch_command, "stop_at_signals", lambda: None)
    monkeypatch.setattr(watch_command.time, "sleep", sleep)
    return runs


def test_a_watch_passes_its_options_to_its_runs(
    tmp_path: Path, runs: list[tuple[Sequence[Path], Sequence[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    report = tmp_path / "report.html"
    assert main(["watch", str(tmp_path), *ALL, "--report", str(report), "--device", "cuda"]) == 0
    ((sources, options),) = runs
    assert sources == (tmp_path,)
    given = parse(["sync", *options, "--", *map(str, sources)])
    asked = parse(["sync", *ALL, "--report", str(report), "--device", "cuda", str(tmp_path)])
    assert given == asked
    said = capsys.readouterr().out
    assert f"Watching {tmp_path} every 60 s" in said
    assert "Every run of this watch accepts future-dates, not only the next one." in said


def test_nothing_is_pruned_while_a_link_is_broken(
    tmp_path: Path, runs: list[tuple[Sequence[Path], Sequence[str]]]
) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    (tmp_path / "lost.csv").symlink_to(tmp_path / "nowhere")
    assert main(["watch", str(tmp_path), "--prune"]) == 0
    ((_, options),) = runs
    assert "--prune" not in options


def test_a_value_that_begins_with_a_dash_is_not_read_as_an_option() -> None:
    args = parse(["watch", "folder", "--report=-r.html", "--language=-de"])
    given = parse(["sync", *sync_options(args, is_complete=True), "--", "-talks.csv"])
    assert (given.report, given.language, given.sources) == ([Path("-r.html")], ["-de"], [Path("-talks.csv")])


@pytest.mark.parametrize("command", ["sync", "watch"])
def test_a_report_that_would_be_read_as_a_source_is_refused(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    report = tmp_path / "report.json"
    assert main([command, str(tmp_path), "--report", str(report)]) == 4
    assert f"--report {report} would be read as a source" in capsys.readouterr().err


def test_a_missing_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(tmp_path / "none")]) == 3
    assert "there is no such folder" in capsys.readouterr().err
