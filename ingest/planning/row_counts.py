"""Counts of the sources' rows, for the gate and for the account of a run. Pure."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from ingest.planning.plan import Action
from ingest.rows.reasons import DUPLICATE_ID, FETCH_FAILED, PLACEHOLDER_TRANSCRIPT
from ingest.rows.row import CheckedRow, Severity

REJECTED = "rejected"

_CLOCK_DIFFERENCE = timedelta(days=1)
"""A video of today may have tomorrow's date in a time zone further east."""


class RowCounts:
    """Counts of the rows that were read so far.

    `actions` counts rows by action or "rejected"; `reasons` counts problems by severity and reason code,
    `reasons_by_field` also by field.
    `repeated` rows have the id of an earlier row. `invalid` rows were rejected for any reason other than that
    or a failed fetch. `placeholders` are ids of videos whose transcript is a placeholder such as "n/a";
    `in_future` are ids of videos with a future date. `rejected_ids` are the video ids of rejected rows, as
    far as they are known; `rejected_without_id` counts the others. `videos` and `transcribed` count videos,
    and those with a transcript, by year of publication in UTC (None: no date). `timed` counts videos whose
    transcript has times.
    """

    def __init__(self, now: datetime | None = None) -> None:
        """Treat dates after `now`, timezone-aware, as in the future."""
        self.now = now or datetime.now(UTC)
        self.actions: Counter[str] = Counter()
        self.reasons: Counter[tuple[Severity, str]] = Counter()
        self.reasons_by_field: Counter[tuple[Severity, str, str | None]] = Counter()
        self.repeated = 0
        self.invalid = 0
        self.placeholders: list[str] = []
        self.in_future: list[str] = []
        self.rejected_ids: set[str] = set()
        self.rejected_without_id = 0
        self.videos: Counter[int | None] = Counter()
        self.transcribed: Counter[int | None] = Counter()
        self.timed = 0

    @property
    def rows(self) -> int:
        """The number of rows that were read."""
        return self.actions.total()

    @property
    def rejected(self) -> int:
        """The number of rows that yield no video."""
        return self.actions[REJECTED]

    def add(self, row: CheckedRow, action: Action | None) -> None:
        """Count a row; `action` is None if the row was rejected."""
        self.actions[REJECTED if action is None else str(action)] += 1
        self.reasons.update((problem.severity, problem.reason_code) for problem in row.problems)
        self.reasons_by_field.update(
            (problem.severity, problem.reason_code, problem.field) for problem in row.problems
        )
        codes = {problem.reason_code for problem in row.problems}
        if row.video is None:
            ids = {problem.video_id for problem in row.problems if problem.video_id}
            self.rejected_ids |= ids
            self.rejected_without_id += not ids
            self.repeated += DUPLICATE_ID in codes
            self.invalid += not codes & {DUPLICATE_ID, FETCH_FAILED}
            return
        video = row.video
        if PLACEHOLDER_TRANSCRIPT in codes:
            self.placeholders.append(video.video_id)
        if video.published_at and video.published_at > self.now + _CLOCK_DIFFERENCE:
            self.in_future.append(video.video_id)
        year = video.published_at.year if video.published_at else None
        self.videos[year] += 1
        self.transcribed[year] += video.transcript is not None
        self.timed += bool(video.cues)
