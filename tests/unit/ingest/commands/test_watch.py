"""`ingest watch` in this process; it does not wait, and its runs are stand-ins."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.commands.command_line import parse
from ingest.commands.signals import restored_handlers
from ingest.commands.watch import sync_options, watch
from ingest.terminal import Terminal
from retrieval.settings import SearchSettings

ALL = ("--prune", "--accept", "future-dates", "--language", "de", "--language", "en")


def watched(*arguments: str | Path) -> tuple[Sequence[Path], Sequence[str], str]:
    """Watch until the third look. Return the sources and options of the only run, and the output."""
    runs: list[tuple[Sequence[Path], Sequence[str]]] = []
    looks: list[float] = []
    out = io.StringIO()

    def run(sources: Sequence[Path], options: Sequence[str]) -> int:
        runs.append((sources, options))
        return 0

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    args = parse(["watch", *map(str, arguments)])
    console = Terminal(file=out)
    with restored_handlers():
        assert watch(args, SearchSettings(), console, run=run, sleep=sleep) == 0
    ((sources, options),) = runs
    return sources, options, out.getvalue()


def test_a_watch_passes_its_options_to_its_runs(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    report = tmp_path / "report.html"
    sources, options, said = watched(tmp_path, *ALL, "--report", report, "--device", "cuda")
    assert sources == (tmp_path,)
    given = parse(["sync", *options, "--", *map(str, sources)])
    asked = parse(["sync", *ALL, "--report", str(report), "--device", "cuda", str(tmp_path)])
    assert given == asked
    assert f"Watching {tmp_path} every 60 s" in said
    assert "Every run of this watch accepts future-dates, not only the next one." in said


def test_nothing_is_pruned_while_a_link_is_broken(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    (tmp_path / "lost.csv").symlink_to(tmp_path / "nowhere")
    _, options, _ = watched(tmp_path, "--prune")
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
