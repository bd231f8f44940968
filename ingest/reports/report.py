"""What happened to each row, for a person to read and for files."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ingest.errors import IngestError
from ingest.planning.gate import Refusal
from ingest.planning.plan import Action
from ingest.reports.files import ReportFile, report_file
from ingest.reports.profile import ProfileCounts
from ingest.reports.quarantine import Quarantine
from ingest.reports.summary import (
    RefusedRow,
    RowOutcome,
    RunRequest,
    RunSummary,
    by_severity,
    judged,
    outcome_of,
    with_those_of,
)
from ingest.rows.fields import clean_text
from ingest.rows.row import CheckedRow, RowProblem, file_name
from retrieval.catalogue.manifest import Manifest

_log = logging.getLogger(__name__)

_SHOWN = 10
_SHOWN_NOTES = 3
"""How many problems of one kind are printed; the report file has them all."""

REFUSED_KEPT: Final = 1_000
"""How many rejected rows a page lists."""


class Report:
    """Collects outcomes: counts in memory, rows in the files where there are any."""

    def __init__(
        self,
        request: RunRequest | None = None,
        files: Sequence[ReportFile] = (),
        quarantine: Quarantine | None = None,
    ) -> None:
        """Report to `files`, or only count; rejected rows are set aside in `quarantine` if there is one."""
        self._request = request or RunRequest()
        self._files = files
        self._quarantine = quarantine
        self._began_at = datetime.now(UTC)
        self._profile = ProfileCounts()
        self._refused: list[RefusedRow] = []
        self._refusals: Sequence[Refusal] | None = None
        self._live: Manifest | None = None
        self._made_live: Manifest | None = None
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.first_problems: list[RowProblem] = []
        self.truncated: list[str] = []
        self.rejected_ids: set[str] = set()
        self.rejected_without_id = 0

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
        if action is None:
            ids = {problem.video_id for problem in row.problems if problem.video_id}
            self.rejected_ids |= ids
            self.rejected_without_id += not ids
        if self._files:
            self._detail(row, outcome)

    def removed(self, video_id: str) -> None:
        """Note a video that the source no longer has."""
        self.outcomes[str(Action.REMOVE)] += 1
        self._write(RowOutcome(None, video_id, str(Action.REMOVE)))

    def passage_truncated(self, video_id: str) -> None:
        """Note a video with a passage longer than the model reads."""
        self.truncated.append(video_id)
        message = "a passage is longer than the model reads; its tail is shown but not searched by meaning"
        self._write(RowOutcome(None, video_id, "truncated-passage", (message,)))

    def planned(self, refusals: Sequence[Refusal], live: Manifest | None) -> None:
        """Note what the gate has to say of the plan, and the live version that it was held against."""
        self._refusals, self._live = refusals, live

    def published(self, manifest: Manifest) -> None:
        """Note the version that the run made live."""
        self._made_live = manifest

    @property
    def rejected(self) -> int:
        """How many rows gave no video."""
        return self.outcomes["rejected"]

    def save(self, error: BaseException | None = None) -> None:
        """Put the files in their places, each if it can be; `error` is what the run ended by.

        Raises IngestError where one cannot be written.
        """
        summary = self.summary(error)
        first_last = reversed(self.first_problems)
        examples = {f"{problem.severity}: {problem.reason_code}": problem for problem in first_last}
        unwritten = []
        for file in self._files:
            try:
                file.put(summary, self._refused, examples)
            except OSError as e:
                unwritten.append(_unwritable(file, e))
        if unwritten:
            raise IngestError(f"{' '.join(unwritten)} The run itself: {summary.outcome}.")

    def summary(self, error: BaseException | None = None) -> RunSummary:
        """Sum up the run that ended by `error`, or as it should."""
        request, live, made_live = self._request, self._live, self._made_live
        outcome, why = outcome_of(error, made_live, dry_run=request.dry_run)
        findings = None if self._refusals is None else judged(self._refusals, request.accepted)
        quarantine = self._quarantine
        return RunSummary(
            outcome=outcome,
            why=why,
            dry_run=request.dry_run,
            began_at=self._began_at,
            ended_at=datetime.now(UTC),
            sources=request.sources,
            accepted=tuple(sorted(request.accepted)),
            index_version=made_live.index_version if made_live else None,
            rows=self.outcomes.total() - self.outcomes[str(Action.REMOVE)],
            actions={str(action): self.outcomes[str(action)] for action in Action},
            rejected=self.rejected,
            reasons=by_severity(self.reasons),
            truncated=len(self.truncated),
            findings=with_those_of(error, findings),
            before=live.counts if live else None,
            after=made_live.counts if made_live else None,
            profile=self._profile.profile(),
            quarantine=file_name(quarantine.path) if quarantine and quarantine.rows else None,
            row_reports=tuple(file_name(file.path) for file in self._files if not file.is_page),
        )

    def _detail(self, row: CheckedRow, outcome: str) -> None:
        """Write a row to the files, and keep what a page shows."""
        video_id = row.video.video_id if row.video else next((p.video_id for p in row.problems), None)
        problems = tuple(clean_text(str(problem)) for problem in row.problems)
        self._write(RowOutcome(str(row.place), video_id, outcome, problems))
        if row.video:
            self._profile.add(row.video)
        elif len(self._refused) < REFUSED_KEPT:
            why = tuple(problem for problem in row.problems if problem.severity == "rejected")
            self._refused.append(RefusedRow(str(row.place), video_id, why))

    def _write(self, outcome: RowOutcome) -> None:
        for file in self._files:
            try:
                file.row(outcome)
            except OSError as e:
                raise IngestError(_unwritable(file, e)) from e


def _unwritable(file: ReportFile, error: OSError) -> str:
    return f"The report {file.path} cannot be written: {error.strerror or error}."


@contextmanager
def reporting(
    paths: Sequence[Path], request: RunRequest, quarantine: Quarantine | None = None
) -> Iterator[Report]:
    """Collect a report and save it however the run ends.

    Raises IngestError, before anything is done, where a file cannot be written, and at the end where one
    could not be after all. A run that failed anyway fails with its own error.
    """
    with ExitStack() as stack:
        places = dict.fromkeys(path.resolve() for path in paths)
        report = Report(request, [stack.enter_context(report_file(path)) for path in places], quarantine)
        try:
            yield report
        except BaseException as error:
            try:
                report.save(error)
            except IngestError as unwritten:
                _log.error("%s", unwritten)
            raise
        report.save()
