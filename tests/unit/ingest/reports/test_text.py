from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ingest.planning.gate import Refusal, Rule
from ingest.planning.plan import Action, Plan
from ingest.reports.account import UNTRANSCRIBED_KEPT, RunAccount
from ingest.reports.documents import plan_document, summary_document
from ingest.reports.text import describe_run, estimate_line, row_lines, untranscribed_lines
from ingest.rows.row import Place, check_row
from ingest.sources.catalogue import reject_duplicates
from retrieval.catalogue.runs import Run, RunOutcome

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLAN = Plan({"a": Action.ADD, "b": Action.KEEP, "c": Action.REEMBED, "d": Action.REMOVE, "e": Action.KEEP})


def planned(plan: Plan = PLAN, *, words: int = 0) -> RunAccount:
    account = RunAccount()
    for number, (video_id, action) in enumerate(plan.actions.items()):
        if action is not Action.REMOVE:
            row = check_row({"video_id": video_id, "title": "T"}, place=Place("a.csv", number))
            account.row(row, action)
    account.row(check_row({"title": "T"}, place=Place("a.csv", 9)), None)
    account.planned(plan, [], None, words=words)
    return account


def test_the_document_of_a_dry_run_lists_changes_and_counts_the_rest() -> None:
    refusal = Refusal(Rule.FEWER_VIDEOS, "1 of 9 videos would be left")
    assert plan_document(planned(words=900), [refusal], cores=2) == {
        "actions": {"add": ["a"], "re-embed": ["c"], "update": [], "remove": ["d"]},
        "keep": 2,
        "rejected": {"missing": 1},
        "refusals": [refusal],
        # Two titles, two whole transcripts, ten passages.
        "texts": 14,
        "seconds": round(14 / 60, 1),
    }


def test_rows_are_counted_in_a_sentence() -> None:
    rows = [
        {"video_id": "a", "title": "A", "transcript": "words", "url": "ftp://x", "published_at": "soon"},
        {"video_id": "b", "title": "B"},
        {"video_id": "c", "title": "C", "transcript": "n/a"},
        {"video_id": "a", "title": "A", "transcript": "words"},
        {"video_id": "d"},
    ]
    account = RunAccount()
    checked = (check_row(row, place=Place("a.csv", number)) for number, row in enumerate(rows, 1))
    for row in reject_duplicates(checked):
        account.row(row, Action.ADD if row.video else None)
    *problems, sentence, warnings, notes = row_lines(account)
    assert [problem.partition(":")[0] for problem in problems] == ["warning"] * 2 + ["rejected"] * 2
    assert sentence == "5 rows read: 3 to add, 2 rejected: 1 repeated id, 1 without a title."
    assert warnings == "Warnings: 1 unreadable date, 1 unusable address."
    assert notes == "Notes: 1 with a placeholder instead of a transcript."
    assert list(row_lines(RunAccount())) == []


def test_the_first_videos_without_a_transcript_are_listed() -> None:
    account = RunAccount()
    assert list(untranscribed_lines(account)) == []
    account.row(check_row({"video_id": "a", "title": "A\x1b[2J\nB"}, place=Place("a.csv", 1)), Action.ADD)
    assert list(untranscribed_lines(account)) == [
        "note: 1 video has no transcript; searches find it by title only:",
        "  a: A [2J B",
    ]
    for number in range(2, 1203):
        row = check_row({"video_id": f"v{number}", "title": "T"}, place=Place("a.csv", number))
        account.row(row, Action.ADD)
    lines = list(untranscribed_lines(account))
    assert lines[0] == "note: 1,202 videos have no transcript; searches find them by title only:"
    assert lines[10] == "  v10: T"
    assert lines[11:] == ["  and 1,192 more; --report FILE.json lists them"]
    listed = summary_document(account)["without_transcript"]
    assert (listed["count"], len(listed["videos"])) == (1202, UNTRANSCRIBED_KEPT)


def test_the_estimate_has_a_suitable_unit() -> None:
    assert "about 4 texts would take about 0.1 s" in str(estimate_line(planned(), cores=2))
    assert "about 4 h 37 min" in str(estimate_line(planned(words=90 * 1_000_000), cores=2))


def test_without_texts_to_embed_there_is_no_estimate() -> None:
    assert estimate_line(planned(Plan({"b": Action.KEEP})), cores=2) is None


def run(hour: int, outcome: RunOutcome | None = RunOutcome.REFUSED, **others: object) -> Run:
    begun = Run(
        began_at=NOON + timedelta(hours=hour), sources=("a.csv",), why="The run was refused.\nfewer-videos"
    )
    if outcome:
        ended_at = begun.began_at + timedelta(seconds=12)
        begun = msgspec.structs.replace(begun, outcome=outcome, ended_at=ended_at)
    return msgspec.structs.replace(begun, **others)


@pytest.mark.parametrize(
    ("noted", "line"),
    [
        (run(0, None), "2026-11-24 12:00 UTC: not finished; it is still running, or was killed (a.csv)"),
        (
            run(0, counts={"keep": 10, "remove": 10}),
            "2026-11-24 12:00 UTC, 12 s: refused; planned: 10 to remove, 10 to keep (a.csv): fewer-videos",
        ),
        (
            run(0, RunOutcome.PUBLISHED, why=None, index_version="v", counts={"add": 3}),
            "2026-11-24 12:00 UTC, 12 s: published v; 3 added (a.csv)",
        ),
        (
            run(2, RunOutcome.FAILED, why="a.\nb.", times=3, since=NOON),
            "2026-11-24 14:00 UTC, 12 s: failed (a.csv), 3 times in a row since 2026-11-24 12:00 UTC: a; b",
        ),
    ],
)
def test_a_run_is_described_in_one_line(noted: Run, line: str) -> None:
    assert describe_run(noted) == line
