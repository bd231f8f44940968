import json
from pathlib import Path

import pytest

from ingest.plan import Action
from ingest.report import Report, reporting
from ingest.rows import CheckedRow, Place, RowProblem, check_row


def row(number: int, **values: object) -> CheckedRow:
    return check_row({"transcript": "words", **values}, place=Place("talks.jsonl", number, "line"))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_row_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    with reporting(path) as report:
        report.row(row(1, video_id="a", title="A"), Action.ADD)
        report.row(row(2, video_id="b", title=None), None)
        report.row(row(3, video_id="c", title="C", transcript="n/a"), Action.KEEP)
        report.removed("d")
        report.passage_truncated("a")
    add, rejected, keep, removed, truncated = lines(path)
    assert add == {"place": "talks.jsonl, line 1", "video_id": "a", "outcome": "add", "problems": []}
    assert (rejected["place"], rejected["video_id"], rejected["outcome"]) == (
        "talks.jsonl, line 2",
        "b",
        "rejected",
    )
    assert rejected["problems"] == ["talks.jsonl, line 2, field title: is empty; give every video a title"]
    assert (keep["outcome"], len(keep["problems"])) == ("keep", 1)  # type: ignore[arg-type]
    assert removed == {"place": None, "video_id": "d", "outcome": "remove", "problems": []}
    assert (truncated["video_id"], truncated["outcome"]) == ("a", "truncated-passage")


def test_outcomes_and_reasons_are_counted() -> None:
    report = Report(None)
    for number, title in enumerate(["A", None, None], 1):
        checked = row(number, video_id=f"v{number}", title=title, transcript=None)
        report.row(checked, Action.UPDATE if checked.video else None)
    report.removed("gone")
    assert report.outcomes == {"update": 1, "rejected": 2, "remove": 1}
    assert report.rejected == 2
    assert report.reasons == {"note: no-transcript": 1, "rejected: missing": 2}


def test_the_first_problems_of_each_kind_are_kept_to_be_shown() -> None:
    report = Report(None)
    for number in range(1, 21):
        report.row(row(number, video_id=f"n{number}", title="N", transcript=None), Action.ADD)
    report.row(row(21, video_id="b", title="B", url="ftp://x"), Action.ADD)
    for number in range(22, 59):
        report.row(row(number, video_id=f"v{number}", title=None), None)
    shown = [(problem.severity, problem.place.row) for problem in report.first_problems]
    assert shown[:3] == [("note", 1), ("note", 2), ("note", 3)]
    assert shown[3:] == [("warning", 21), *(("rejected", number) for number in range(22, 32))]
    assert report.rejected == 37


def test_a_row_that_is_none_has_no_id(tmp_path: Path) -> None:
    place = Place("talks.jsonl", 4, "line")
    with reporting(tmp_path / "report.jsonl") as report:
        report.row(CheckedRow(place, None, (RowProblem(place, None, None, "invalid-json", "is no"),)), None)
    (line,) = lines(tmp_path / "report.jsonl")
    assert line["video_id"] is None
    assert line["problems"] == ["talks.jsonl, line 4: is no"]


def stop(report: Report) -> None:
    report.row(row(1, video_id="a", title="A"), Action.ADD)
    raise KeyboardInterrupt


def test_the_file_is_written_however_the_run_ends(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    with pytest.raises(KeyboardInterrupt), reporting(path) as report:
        stop(report)
    assert [line["outcome"] for line in lines(path)] == ["add"]


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_text("an earlier one\n", encoding="utf-8")
    with reporting(path):
        pass
    assert path.read_bytes() == b""


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with reporting(None) as report:
        report.row(row(1, video_id="a", title="A"), Action.ADD)
    assert list(tmp_path.iterdir()) == []
    assert report.outcomes == {"add": 1}
