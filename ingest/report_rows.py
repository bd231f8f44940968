"""The rows of a report."""

import msgspec

from ingest.rows import RowProblem


class RowOutcome(msgspec.Struct, frozen=True):
    """One row of a JSON report. `outcome` is an Action, "rejected" or "truncated-passage"."""

    place: str | None
    video_id: str | None
    outcome: str
    problems: tuple[str, ...] = ()


class RefusedRow(msgspec.Struct, frozen=True):
    """A rejected row, and why."""

    place: str
    video_id: str | None
    problems: tuple[RowProblem, ...]
