"""What happened to each row, for a person to read and for a file."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ingest.errors import IngestError
from ingest.plan import Action
from ingest.quarantine import Quarantine
from ingest.rows import FETCH_FAILED, CheckedRow, RowProblem

_SHOWN = 10
_SHOWN_NOTES = 3
"""How many problems of one kind are printed; the report file has them all."""


class RowOutcome(msgspec.Struct, frozen=True):
    """One line of the report file. `outcome` is an Action, or "rejected"."""

    place: str | None
    video_id: str | None
    outcome: str
    problems: tuple[str, ...] = ()


class Report:
    """Collects outcomes: counts in memory, lines in the file where there is one."""

    def __init__(self, path: Path | None, quarantine: Quarantine | None = None) -> None:
        """Report to `path`, or only count; rejected rows are set aside in `quarantine` if there is one."""
        self._path = path
        self._quarantine = quarantine
        self._lines: list[bytes] = []
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.first_problems: list[RowProblem] = []
        self.truncated: list[str] = []
        self.not_fetched: set[str] = set()

    def row(self, row: CheckedRow, action: Action | None) -> None:
        """Note a row of the source; `action` is None for a rejected one."""
        outcome = "rejected" if action is None else str(action)
        if action is None and self._quarantine:
            self._quarantine.set_aside(row)
        self.outcomes[outcome] += 1
        for problem in row.problems:
            self.reasons[f"{problem.severity}: {problem.reason_code}"] += 1
            shown = _SHOWN_NOTES if problem.severity == "note" else _SHOWN
            if self.reasons[f"{problem.severity}: {problem.reason_code}"] <= shown:
                self.first_problems.append(problem)
        self.not_fetched |= {
            problem.video_id
            for problem in row.problems
            if problem.reason_code == FETCH_FAILED and problem.video_id
        }
        video_id = row.video.video_id if row.video else next((p.video_id for p in row.problems), None)
        self._note(RowOutcome(str(row.place), video_id, outcome, tuple(map(str, row.problems))))

    def removed(self, video_id: str) -> None:
        """Note a video that the source no longer has."""
        self.outcomes[str(Action.REMOVE)] += 1
        self._note(RowOutcome(None, video_id, str(Action.REMOVE)))

    def passage_truncated(self, video_id: str) -> None:
        """Note a video with a passage longer than the model reads."""
        self.truncated.append(video_id)
        message = "a passage is longer than the model reads; its tail is shown but not searched by meaning"
        self._note(RowOutcome(None, video_id, "truncated-passage", (message,)))

    @property
    def rejected(self) -> int:
        """How many rows gave no video."""
        return self.outcomes["rejected"]

    def _note(self, outcome: RowOutcome) -> None:
        if self._path:
            self._lines.append(msgspec.json.encode(outcome))

    def save(self) -> None:
        """Write the file, one JSON object a line."""
        if self._path:
            self._path.write_bytes(b"".join(line + b"\n" for line in self._lines))


@contextmanager
def reporting(path: Path | None, quarantine: Quarantine | None = None) -> Iterator[Report]:
    """Collect a report and save it however the run ends.

    Raises IngestError, before anything is done, where the file cannot be written.
    """
    report = Report(path, quarantine)
    try:
        report.save()
    except OSError as e:
        raise IngestError(f"The report {path} cannot be written: {e.strerror or e}. Nothing was done.") from e
    try:
        yield report
    finally:
        report.save()
