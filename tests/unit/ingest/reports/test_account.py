import json
import logging
import os
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import IngestError, SourceError
from ingest.planning.gate import GateError, Refusal, Rule
from ingest.planning.plan import Action, Plan
from ingest.reports.account import REJECTED_ROWS_KEPT, RunAccount, RunRequest
from ingest.reports.recording import reporting
from ingest.rows.row import CheckedRow, Place, RowProblem, check_row
from tests.support.folders import full_disk
from tests.support.report_pages import version

REQUEST = RunRequest(("talks.jsonl",))


@contextmanager
def reported(paths: list[Path], request: RunRequest = REQUEST) -> Iterator[RunAccount]:
    account = RunAccount(request)
    with reporting(account, paths):
        yield account


def removing(*video_ids: str) -> Plan:
    return Plan(dict.fromkeys(video_ids, Action.REMOVE))


def row(number: int, **values: object) -> CheckedRow:
    return check_row({"transcript": "words", **values}, place=Place("talks.jsonl", number, "line"))


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def test_a_json_report_has_one_line_per_row(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with reported([path]) as account:
        account.row(row(1, video_id="a", title="A"), Action.ADD)
        account.row(row(2, video_id="b", title=None), None)
        account.row(row(3, video_id="c", title="C", transcript="n/a"), Action.KEEP)
        account.planned(removing("d"), [], None)
        account.passage_truncated("a")
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


def test_the_summary_has_the_outcome_and_the_counts(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    accepted = frozenset({Rule.FUTURE_DATES})
    refusals = [Refusal(Rule.FUTURE_DATES, "1 video is dated in the future: a")]
    with reported([path], RunRequest(("talks.jsonl",), accepted)) as account:
        account.row(row(1, video_id="a", title="A", published_at="2021-01-01", duration=90), Action.ADD)
        account.row(row(2, video_id="b", title=None), None)
        account.row(row(3, video_id="c", title="C", transcript="n/a"), Action.KEEP)
        account.planned(removing("d"), refusals, version("old", videos=4, transcribed=3))
        account.published = version("new", videos=5, transcribed=4)
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


def end_by(error: BaseException, account: RunAccount) -> None:
    account.row(row(1, video_id="a", title="A"), Action.ADD)
    raise error


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (SourceError("talks.csv: is gone"), "failed", "talks.csv: is gone"),
        (OSError(28, "No space left on device"), "failed", "[Errno 28] No space left on device"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (KeyboardInterrupt(), "stopped", "Stopped by Ctrl-C or SIGTERM."),
        (CancelledError(), "stopped", "Another run took over the index."),
        (SourceError("half \ud800"), "failed", "half \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_report_contains_the_outcome_and_the_reason_however_a_run_ends(
    error: BaseException, outcome: str, why: str, tmp_path: Path
) -> None:
    path, page = tmp_path / "report.json", tmp_path / "report.htm"
    with pytest.raises(type(error)), reported([path, page]) as account:
        end_by(error, account)
    document = read(path)
    assert [line["outcome"] for line in document["rows"]] == ["add"]
    summary = document["summary"]
    assert (summary["outcome"], summary["why"], summary["findings"]) == (outcome, why, None)
    assert outcome.capitalize() in page.read_text(encoding="utf-8")
    assert {*tmp_path.iterdir()} == {path, page}


def test_a_rule_that_only_the_new_version_breaks_is_among_the_findings() -> None:
    account = RunAccount(RunRequest(accepted=frozenset({Rule.FEWER_VIDEOS})))
    fewer, lost = Refusal(Rule.FEWER_VIDEOS, "few"), Refusal(Rule.LOST_CANARIES, "lost")
    account.planned(removing(), [fewer], None)
    account.end(GateError("The run was refused.", [lost]))
    assert account.outcome == "refused"
    assert account.findings is not None
    assert [(finding.rule, finding.accepted) for finding in account.findings] == [
        (Rule.FEWER_VIDEOS, True),
        (Rule.LOST_CANARIES, False),
    ]


@pytest.mark.parametrize(("dry_run", "outcome"), [(False, "unchanged"), (True, "dry run")])
def test_a_run_without_changes_differs_from_a_dry_run(*, dry_run: bool, outcome: str) -> None:
    account = RunAccount(RunRequest(dry_run=dry_run))
    account.end()
    assert account.outcome == outcome


def test_a_published_run_stays_published_whatever_fails_afterwards() -> None:
    account = RunAccount()
    account.published = version("new", videos=5, transcribed=4)
    account.end(IngestError("Cannot write the report r.json."))
    assert (account.outcome, account.why) == ("published", "Cannot write the report r.json.")


def test_the_first_problems_of_each_kind_are_kept_for_the_terminal() -> None:
    account = RunAccount()
    for number in range(1, 21):
        note = RowProblem(Place("talks.jsonl", number), None, None, "times-shifted", "was shifted", "note")
        account.row(
            CheckedRow(note.place, row(number, video_id=f"n{number}", title="N").video, (note,)), Action.ADD
        )
    account.row(row(20, video_id="n", title="N", transcript=None), Action.ADD)
    account.row(row(21, video_id="b", title="B", url="ftp://x"), Action.ADD)
    for number in range(22, 59):
        account.row(row(number, video_id=f"v{number}", title=None), None)
    shown = [(problem.severity, problem.place.row) for problem in account.first_problems]
    assert shown[:3] == [("note", 1), ("note", 2), ("note", 3)]
    assert shown[3:] == [("warning", 21), *(("rejected", number) for number in range(22, 32))]
    assert account.counts.rejected == 37


def test_an_unreadable_row_has_no_id(tmp_path: Path) -> None:
    place = Place("talks.jsonl", 4, "line")
    with reported([tmp_path / "report.json"]) as account:
        account.row(CheckedRow(place, None, (RowProblem(place, None, None, "invalid-json", "is no"),)), None)
    (line,) = read(tmp_path / "report.json")["rows"]
    assert line["video_id"] is None
    assert line["problems"] == ["talks.jsonl, line 4: is no"]


def test_a_page_lists_the_first_rejected_rows_and_a_json_report_all(tmp_path: Path) -> None:
    path, page = tmp_path / "report.json", tmp_path / "report.HTML"
    with reported([page, path]) as account:
        for number in range(REJECTED_ROWS_KEPT + 2):
            account.row(row(number, video_id=f"v{number}", title=None), None)
    assert len(read(path)["rows"]) == REJECTED_ROWS_KEPT + 2
    told = page.read_text(encoding="utf-8")
    assert f"v{REJECTED_ROWS_KEPT - 1}<" in told
    assert f"v{REJECTED_ROWS_KEPT}<" not in told
    assert "Only the first 1,000 of 1,002 are listed." in told
    assert f'<bdi class="place">{path}</bdi>' in told


def test_an_earlier_report_is_replaced_at_the_end_and_a_link_to_it_stays(tmp_path: Path) -> None:
    path, link = tmp_path / "report.json", tmp_path / "link.json"
    path.write_text("an earlier one\n", encoding="utf-8")
    link.symlink_to(path)
    with reported([link, path]):  # The same file twice is written once.
        assert path.read_text(encoding="utf-8") == "an earlier one\n"
    assert read(path)["rows"] == []
    assert link.is_symlink()
    assert {*tmp_path.iterdir()} == {path, link}


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "no" / "f", "No "),
    ):
        with pytest.raises(IngestError, match=f"Cannot write .*{why}.*Nothing was changed"):
            reported([path]).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_if_one_report_cannot_be_written_the_others_still_are(tmp_path: Path) -> None:
    taken, free = tmp_path / "taken.json", tmp_path / "free.json"
    with (
        pytest.raises(IngestError, match=r"taken.json: .* The outcome of the run: unchanged"),
        reported([taken, free]),
    ):
        taken.mkdir()
    assert read(free)["summary"]["outcome"] == "unchanged"
    assert {*tmp_path.iterdir()} == {taken, free}


def test_a_failed_run_raises_its_own_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "report.json"
    with (
        full_disk(16),
        caplog.at_level(logging.ERROR),
        pytest.raises(SourceError, match="is gone"),
        reported([path]) as account,
    ):
        end_by(SourceError("talks.csv: is gone"), account)
    assert "report.json: File too large" in caplog.text


def remove(count: int, account: RunAccount) -> None:
    account.planned(removing(*(f"v{number}" for number in range(count))), [], None)


@pytest.mark.parametrize("rows", [1, 1000])
def test_a_full_disk_is_reported_with_the_name_of_the_report_and_keeps_the_earlier_one(
    rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text("an earlier one\n", encoding="utf-8")
    with (
        full_disk(512),
        pytest.raises(IngestError, match=r"report.json: File too large"),
        reported([path]) as account,
    ):
        remove(rows, account)
    assert path.read_text(encoding="utf-8") == "an earlier one\n"
    assert [*tmp_path.iterdir()] == [path]
