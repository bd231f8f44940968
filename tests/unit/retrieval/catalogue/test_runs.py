from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from retrieval.catalogue.runs import (
    RESTORED,
    RUNS_FILE,
    Run,
    RunOutcome,
    last_confirmed,
    read_runs,
    write_runs,
)
from retrieval.errors import UnreadableLogError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUN = Run(began_at=NOON, sources=("talks.csv",))


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_runs(tmp_path) == ()
    write_runs(tmp_path, [RUN, RUN])
    assert read_runs(tmp_path) == (RUN, RUN)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[3]", b"\xff\xfe"])
def test_a_damaged_log_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUNS_FILE).write_bytes(content)
    with pytest.raises(UnreadableLogError, match=str(tmp_path / RUNS_FILE)):
        read_runs(tmp_path)


def ended(outcome: RunOutcome, hour: int = 0, **others: object) -> Run:
    return msgspec.structs.replace(RUN, outcome=outcome, ended_at=NOON + timedelta(hours=hour), **others)


GOOD = ended(RunOutcome.UNCHANGED)
RESTORE = ended(RunOutcome.PUBLISHED, 1, counts={RESTORED: 3}, index_version="v")


@pytest.mark.parametrize(
    ("runs", "at"),
    [
        ([], None),
        ([GOOD], NOON),
        (
            [ended(RunOutcome.PUBLISHED, 1, index_version="v", counts={"add": 1}), GOOD],
            NOON + timedelta(hours=1),
        ),
        (
            [
                RUN,
                ended(RunOutcome.FAILED, 3),
                ended(RunOutcome.REFUSED, 2),
                ended(RunOutcome.STOPPED, 1),
                GOOD,
            ],
            NOON,
        ),
        # What is live is as old as the snapshot, until a sync has looked at it.
        ([RESTORE, GOOD], None),
        ([ended(RunOutcome.UNCHANGED, 2), RESTORE, GOOD], NOON + timedelta(hours=2)),
        ([ended(RunOutcome.FAILED, 1), GOOD], NOON),
    ],
)
def test_an_index_is_confirmed_by_the_last_sync_that_went_through(
    runs: list[Run], at: datetime | None
) -> None:
    assert last_confirmed(runs) == at
