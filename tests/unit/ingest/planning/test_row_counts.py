from datetime import UTC, datetime

from ingest.planning.plan import Action
from ingest.planning.row_counts import RowCounts
from ingest.rows.row import CheckedRow, Place, RowProblem, check_row

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def counted(*rows: dict[str, object]) -> RowCounts:
    counts = RowCounts(NOW)
    for number, values in enumerate(rows, 1):
        row = check_row({"transcript": "words", **values}, place=Place("talks.jsonl", number, "line"))
        counts.add(row, Action.ADD if row.video else None)
    return counts


def test_rows_are_counted_by_action_and_their_problems_by_reason() -> None:
    counts = counted(
        {"video_id": "a", "title": "A"},
        {"video_id": "b", "title": "B", "transcript": None},
        {"video_id": "c", "title": None},
        {"video_id": None, "title": "D"},
    )
    assert counts.actions == {"add": 2, "rejected": 2}
    assert (counts.rows, counts.rejected, counts.invalid, counts.repeated) == (4, 2, 2, 0)
    assert counts.reasons == {("rejected", "missing"): 2, ("note", "no-transcript"): 1}
    assert (counts.rejected_ids, counts.rejected_without_id) == ({"c"}, 1)


def test_repeated_ids_and_failed_fetches_are_not_invalid_rows() -> None:
    counts = RowCounts(NOW)
    for code in ("duplicate-id", "fetch-failed", "invalid-json"):
        place = Place("talks.jsonl", 1, "line")
        counts.add(CheckedRow(place, None, (RowProblem(place, "a", None, code, "is wrong"),)), None)
    assert (counts.rejected, counts.repeated, counts.invalid) == (3, 1, 1)


def test_placeholders_and_future_dates_are_listed() -> None:
    counts = counted(
        {"video_id": "a", "title": "A", "transcript": "n/a"},
        {"video_id": "b", "title": "B", "published_at": "2026-11-25T00:00:00Z"},
        {"video_id": "c", "title": "C", "published_at": "2026-11-25T00:00:01Z"},
    )
    assert (counts.placeholders, counts.in_future) == (["a"], ["c"])
