from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ingest.reports.recording import folded
from retrieval.catalogue.runs import Run, RunOutcome

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def run(hour: int, outcome: RunOutcome | None = RunOutcome.REFUSED, **others: object) -> Run:
    begun = Run(began_at=NOON + timedelta(hours=hour), sources=("a.csv",), why="fewer-videos")
    if outcome:
        begun = msgspec.structs.replace(
            begun, outcome=outcome, ended_at=begun.began_at + timedelta(seconds=12)
        )
    return msgspec.structs.replace(begun, **others)


def test_consecutive_runs_with_the_same_result_become_one() -> None:
    (found,) = folded([run(3), run(2), run(1)])
    assert found == run(3, times=3, since=run(1).began_at)
    assert folded([run(4), found]) == [run(4, times=4, since=run(1).began_at)]
    assert folded([found]) == [found]


def test_consecutive_killed_runs_become_one() -> None:
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
def test_runs_with_different_results_stay_separate(other: Run) -> None:
    assert folded([run(2), other]) == [run(2), other]
    assert folded([run(3), other, run(0)]) == [run(3), other, run(0)]


def test_no_published_version_is_lost_from_the_log() -> None:
    runs = [run(hour, RunOutcome.PUBLISHED, index_version="v") for hour in (2, 1)]
    assert folded(runs) == runs
