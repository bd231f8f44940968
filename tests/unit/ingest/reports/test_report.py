import errno
import json
import logging
import os
import resource
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.errors import IngestError, SourceError
from ingest.planning.gate import GateError, Refusal, Rule
from ingest.planning.plan import Action
from ingest.reports.files import ReportFile
from ingest.reports.report import REFUSED_KEPT, Report, reporting
from ingest.reports.summary import RunRequest
from ingest.rows.row import CheckedRow, Place, RowProblem, check_row
from retrieval.catalogue.manifest import IndexCounts, Manifest
from tests.support.embedded_videos import manifest_of

ASKED = RunRequest(("talks.jsonl",))


def row(number: int, **values: object) -> CheckedRow:
    return check_row({"transcript": "words", **values}, place=Place("talks.jsonl", number, "line"))


def version(name: str, *, videos: int, transcribed: int) -> Manifest:
    counts = IndexCounts(videos=videos, passages=9, videos_with_transcript=transcribed)
    return msgspec.structs.replace(manifest_of([], version=name), counts=counts)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def test_each_row_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with reporting([path], ASKED) as report:
        report.row(row(1, video_id="a", title="A"), Action.ADD)
        report.row(row(2, video_id="b", title=None), None)
        report.row(row(3, video_id="c", title="C", transcript="n/a"), Action.KEEP)
        report.removed("d")
        report.passage_truncated("a")
    rows = read(path)["rows"]
    first, *lines, last = path.read_text(encoding="utf-8").splitlines()
    assert (first, last[:12]) == ('{"rows":[', '],"summary":')
    assert [json.loads(line.removesuffix(",")) for line in lines] == rows
    add, rejected, keep, removed, truncated = rows
    assert add == {"place": "talks.jsonl, line 1", "video_id": "a", "outcome": "add", "problems": []}
    assert (rejected["place"], rejected["video_id"], rejected["outcome"]) == (
        "talks.jsonl, line 2",
        "b",
        "rejected",
    )
    assert rejected["problems"] == ["talks.jsonl, line 2, field title: is empty; give every video a title"]
    assert (keep["outcome"], len(keep["problems"])) == ("keep", 1)
    assert removed == {"place": None, "video_id": "d", "outcome": "remove", "problems": []}
    assert (truncated["video_id"], truncated["outcome"]) == ("a", "truncated-passage")


def test_the_summary_says_what_the_run_came_to(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    accepted = frozenset({Rule.FUTURE_DATES})
    refusals = [Refusal(Rule.FUTURE_DATES, "1 videos were published in the future: a")]
    with reporting([path], RunRequest(("talks.jsonl",), accepted)) as report:
        report.row(row(1, video_id="a", title="A", published_at="2021-01-01", duration=90), Action.ADD)
        report.row(row(2, video_id="b", title=None), None)
        report.row(row(3, video_id="c", title="C", transcript="n/a"), Action.KEEP)
        report.removed("d")
        report.planned(refusals, version("old", videos=4, transcribed=3))
        report.published(version("new", videos=5, transcribed=4))
    summary = read(path)["summary"]
    assert (summary["outcome"], summary["why"], summary["index_version"]) == ("published", None, "new")
    assert summary["began_at"] <= summary["ended_at"]
    assert (summary["sources"], summary["rows"], summary["rejected"]) == (["talks.jsonl"], 3, 1)
    assert summary["actions"] == {"add": 1, "re-embed": 0, "update": 0, "keep": 1, "remove": 1}
    assert summary["reasons"] == {
        "rejected": {"missing": 1},
        "warning": {},
        "note": {"placeholder-transcript": 1},
    }
    (finding,) = summary["findings"]
    assert finding == {"rule": "future-dates", "reason": refusals[0].reason, "accepted": True}
    assert (summary["before"]["videos"], summary["after"]["videos"]) == (4, 5)
    assert summary["profile"]["coverage"] == {"videos": 2, "transcribed": 1}
    assert summary["profile"]["years"] == [{"year": 2021, "videos": 1, "transcribed": 1}]


def end_by(error: BaseException, report: Report) -> None:
    report.row(row(1, video_id="a", title="A"), Action.ADD)
    raise error


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (SourceError("talks.csv: is gone"), "failed", "talks.csv: is gone"),
        (OSError(28, "No space left on device"), "failed", "[Errno 28] No space left on device"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (KeyboardInterrupt(), "stopped", "Ctrl-C or SIGTERM ended it."),
        (CancelledError(), "stopped", "Another run took the index over."),
        (SourceError("half \ud800"), "failed", "half \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_however_a_run_ends_the_report_says_so_and_why(
    error: BaseException, outcome: str, why: str, tmp_path: Path
) -> None:
    path, page = tmp_path / "report.json", tmp_path / "report.htm"
    with pytest.raises(type(error)), reporting([path, page], ASKED) as report:
        end_by(error, report)
    document = read(path)
    assert [line["outcome"] for line in document["rows"]] == ["add"]
    summary = document["summary"]
    assert (summary["outcome"], summary["why"], summary["findings"]) == (outcome, why, None)
    assert outcome.capitalize() in page.read_text(encoding="utf-8")
    assert {*tmp_path.iterdir()} == {path, page}


def test_what_the_gate_finds_only_at_the_end_is_among_the_findings() -> None:
    report = Report(RunRequest(accepted=frozenset({Rule.FEWER_VIDEOS})))
    fewer, lost = Refusal(Rule.FEWER_VIDEOS, "few"), Refusal(Rule.LOST_CANARIES, "lost")
    report.planned([fewer], None)
    summary = report.summary(GateError("The run was refused.", [lost]))
    assert summary.outcome == "refused"
    assert summary.findings is not None
    assert [(finding.rule, finding.accepted) for finding in summary.findings] == [
        (Rule.FEWER_VIDEOS, True),
        (Rule.LOST_CANARIES, False),
    ]


def test_a_run_that_does_nothing_is_told_from_one_that_may_not() -> None:
    assert Report().summary().outcome == "unchanged"
    assert Report(RunRequest(dry_run=True)).summary().outcome == "dry run"


def test_outcomes_and_reasons_are_counted() -> None:
    report = Report()
    for number, title in enumerate(["A", None, None], 1):
        checked = row(number, video_id=f"v{number}", title=title, transcript=None)
        report.row(checked, Action.UPDATE if checked.video else None)
    report.removed("gone")
    assert report.outcomes == {"update": 1, "rejected": 2, "remove": 1}
    assert report.rejected == 2
    assert report.reasons == {"note: no-transcript": 1, "rejected: missing": 2}


def test_the_first_problems_of_each_kind_are_kept_to_be_shown() -> None:
    report = Report()
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
    with reporting([tmp_path / "report.json"], ASKED) as report:
        report.row(CheckedRow(place, None, (RowProblem(place, None, None, "invalid-json", "is no"),)), None)
    (line,) = read(tmp_path / "report.json")["rows"]
    assert line["video_id"] is None
    assert line["problems"] == ["talks.jsonl, line 4: is no"]


def test_a_page_lists_so_many_rows_and_the_document_all(tmp_path: Path) -> None:
    path, page = tmp_path / "report.json", tmp_path / "report.HTML"
    with reporting([page, path], ASKED) as report:
        for number in range(REFUSED_KEPT + 2):
            report.row(row(number, video_id=f"v{number}", title=None), None)
    assert len(read(path)["rows"]) == REFUSED_KEPT + 2
    told = page.read_text(encoding="utf-8")
    assert f"v{REFUSED_KEPT - 1}<" in told
    assert f"v{REFUSED_KEPT}<" not in told
    assert "The first 1,000 of 1,002 are listed, 2 are not." in told
    assert f'<bdi class="place">{path}</bdi>' in told


def test_an_earlier_report_is_replaced_at_the_end_and_a_link_to_it_stays(tmp_path: Path) -> None:
    path, link = tmp_path / "report.json", tmp_path / "link.json"
    path.write_text("an earlier one\n", encoding="utf-8")
    link.symlink_to(path)
    with reporting([link, path], ASKED):  # The same file twice is written once.
        assert path.read_text(encoding="utf-8") == "an earlier one\n"
    assert read(path)["rows"] == []
    assert link.is_symlink()
    assert {*tmp_path.iterdir()} == {path, link}


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path, "no file"), (tmp_path / "pipe", "no file"), (tmp_path / "no" / "f", "No ")):
        with pytest.raises(IngestError, match=f"cannot be written: .*{why}.*Nothing was done"):
            reporting([path], ASKED).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_report_that_cannot_be_put_in_place_is_told_and_the_others_are(tmp_path: Path) -> None:
    taken, free = tmp_path / "taken.json", tmp_path / "free.json"
    with (
        pytest.raises(IngestError, match=r"taken.json cannot be written: .* The run itself: unchanged"),
        reporting([taken, free], ASKED),
    ):
        taken.mkdir()
    assert read(free)["summary"]["outcome"] == "unchanged"
    assert {*tmp_path.iterdir()} == {taken, free}


def test_a_run_that_fails_fails_with_its_own_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    monkeypatch.setattr(ReportFile, "put", no_space)
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(SourceError, match="is gone"),
        reporting([path], ASKED) as report,
    ):
        end_by(SourceError("talks.csv: is gone"), report)
    assert "report.json cannot be written" in caplog.text


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def remove(count: int, report: Report) -> None:
    for number in range(count):
        report.removed(f"v{number}")


@pytest.mark.parametrize("rows", [1, 1000])
def test_a_full_disk_is_told_with_the_reports_name_and_leaves_the_earlier_one(
    rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text("an earlier one\n", encoding="utf-8")
    with (
        room_for(512),
        pytest.raises(IngestError, match=r"report.json cannot be written: File too large"),
        reporting([path], ASKED) as report,
    ):
        remove(rows, report)
    assert path.read_text(encoding="utf-8") == "an earlier one\n"
    assert [*tmp_path.iterdir()] == [path]


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with reporting([], ASKED) as report:
        report.row(row(1, video_id="a", title="A"), Action.ADD)
    assert list(tmp_path.iterdir()) == []
    assert report.outcomes == {"add": 1}
