from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ingest.reports.run_record import describe_run, folded
from retrieval.catalogue.runs import Run, RunOutcome

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def run(hour: int, outcome: RunOutcome | None = RunOutcome.REFUSED, **others: object) -> Run:
    begun = Run(began_at=NOON + timedelta(hours=hour), sources=("a.csv",), why="fewer-videos")
    if outcome:
        begun = msgspec.structs.replace(
            begun, outcome=outcome, ended_at=begun.began_at + timedelta(seconds=12)
        )
    return msgspec.structs.replace(begun, **others)


def test_runs_in_a_row_that_came_to_the_same_are_one() -> None:
    (found,) = folded([run(3), run(2), run(1)])
    assert found == run(3, times=3, since=run(1).began_at)
    assert folded([run(4), found]) == [run(4, times=4, since=run(1).began_at)]
    assert folded([found]) == [found]


def test_runs_that_were_killed_in_a_row_are_one_too() -> None:
    assert folded([run(2, None), run(1, None)]) == [run(2, None, times=2, since=run(1).began_at)]


@pytest.mark.parametrize(
    "other",
    [
        run(1, RunOutcome.FAILED),
        run(1, None),
        run(1, why="less-coverage"),
        run(1, sources=("a.csv", "more.csv")),
        run(1, accepted=("future-dates",)),
        run(1, counts={"keep": 1}),
    ],
)
def test_what_differs_stays_apart(other: Run) -> None:
    assert folded([run(2), other]) == [run(2), other]
    assert folded([run(3), other, run(0)]) == [run(3), other, run(0)]


def test_no_version_is_lost_from_the_log() -> None:
    runs = [run(hour, RunOutcome.PUBLISHED, index_version="v") for hour in (2, 1)]
    assert folded(runs) == runs


@pytest.mark.parametrize(
    ("told", "line"),
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
            run(2, RunOutcome.FAILED, why="a\nb", times=3, since=NOON),
            "2026-11-24 14:00 UTC, 12 s: failed (a.csv), 3 times in a row since 2026-11-24 12:00 UTC: a b",
        ),
    ],
)
def test_a_run_is_told_in_a_line(told: Run, line: str) -> None:
    assert describe_run(told) == line
