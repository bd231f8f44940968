"""The account of one run: the only record of what it was asked, what it did and how it ended.

The other modules of this package render it as text, JSON and HTML, and store it in the log of runs.
"""

from asyncio import CancelledError
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from ingest.errors import IngestError
from ingest.planning.gate import GateError, Refusal, Rule
from ingest.planning.plan import Action, Plan
from ingest.planning.row_counts import REJECTED, RowCounts
from ingest.reports.files import Quarantine, ReportFile, RowOutcome
from ingest.rows.fields import clean_text
from ingest.rows.reasons import NO_TRANSCRIPT, PLACEHOLDER_TRANSCRIPT
from ingest.rows.row import CheckedRow, RowProblem, Severity, file_name
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import RESTORED, RunOutcome
from retrieval.catalogue.wording import DRY_RUN, times_text

REJECTED_ROWS_KEPT: Final = 1_000
"""The number of rejected rows that a page lists."""

UNTRANSCRIBED_KEPT: Final = 1_000
"""The number of videos without a transcript that a report lists."""

NOT_SHOWN: Final = frozenset({NO_TRANSCRIPT, PLACEHOLDER_TRANSCRIPT})
"""The reasons of which the terminal shows no single case: it lists the videos instead."""

_SHOWN = 10
_SHOWN_NOTES = 3
"""The number of problems of one kind that the terminal shows. The report file has all of them."""


class RunRequest(msgspec.Struct, frozen=True):
    """What a run was asked to do: its sources, the rules accepted by name, and whether it is a dry run."""

    sources: tuple[str, ...] = ()
    accepted: frozenset[Rule] = frozenset()
    dry_run: bool = False


class Finding(msgspec.Struct, frozen=True):
    """A rule of the gate that a run breaks, and whether it was accepted by name."""

    rule: Rule
    reason: str
    accepted: bool


class RejectedRow(msgspec.Struct, frozen=True):
    """A rejected row and the reasons."""

    place: str
    video_id: str | None
    problems: tuple[RowProblem, ...]


class UntranscribedVideo(msgspec.Struct, frozen=True):
    """A video of the sources that has no transcript."""

    video_id: str
    title: str


class RunAccount:
    """Everything about one run, updated while it works.

    `quarantine` gets the rejected rows, if it is set. `counts` covers the rows that were read. `plan` and
    `findings` are None until the run has a plan. `before` is the live version at the start (None: none, or
    only the sample catalogue), `published` the version that the run made live. `words` is
    the number of transcript words to embed. `untranscribed` are the first videos without a transcript.
    `truncated` are the ids of videos with a passage that is longer
    than the model's input. `outcome` is a RunOutcome or DRY_RUN, and `why` the reason if the run did not
    succeed; both are None until `end` is called.
    """

    def __init__(self, request: RunRequest | None = None) -> None:
        self.request = request or RunRequest()
        self.quarantine: Quarantine | None = None
        self.files: list[ReportFile] = []
        self.began_at = datetime.now(UTC)
        self.ended_at = self.began_at
        self.outcome: str | None = None
        self.why: str | None = None
        self.counts = RowCounts()
        self.plan: Plan | None = None
        self.words = 0
        self.findings: tuple[Finding, ...] | None = None
        self.before: Manifest | None = None
        self.published: Manifest | None = None
        self.restored = 0
        self.truncated: list[str] = []
        self.first_problems: list[RowProblem] = []
        self.examples: dict[tuple[Severity, str], RowProblem] = {}
        self.rejected_rows: list[RejectedRow] = []
        self.untranscribed: list[UntranscribedVideo] = []

    @property
    def actions(self) -> dict[str, int]:
        """The number of videos by action, as planned; before there is a plan, of the rows read so far."""
        removed = len(self.plan.ids(Action.REMOVE)) if self.plan else 0
        return {str(action): self.counts.actions[action] for action in Action} | {str(Action.REMOVE): removed}

    @property
    def all_counts(self) -> dict[str, int]:
        """The counts that the log of runs stores: videos by action, and rejected rows."""
        counts = self.actions | {REJECTED: self.counts.rejected, RESTORED: self.restored}
        return {name: count for name, count in sorted(counts.items()) if count}

    def row(self, row: CheckedRow, action: Action | None) -> None:
        """Add a row of the sources; `action` is None if it was rejected."""
        if action is None and self.quarantine:
            self.quarantine.add(row)
        self.counts.add(row, action)
        for problem in row.problems:
            kind = (problem.severity, problem.reason_code)
            self.examples.setdefault(kind, problem)
            if problem.reason_code in NOT_SHOWN:
                continue
            if self.counts.reasons[kind] <= (_SHOWN_NOTES if problem.severity == "note" else _SHOWN):
                self.first_problems.append(problem)
        video = row.video
        if video and video.transcript is None and len(self.untranscribed) < UNTRANSCRIBED_KEPT:
            self.untranscribed.append(UntranscribedVideo(video.video_id, clean_text(video.title)))
        if not self.files:
            return
        video_id = row.video.video_id if row.video else next((p.video_id for p in row.problems), None)
        problems = tuple(clean_text(str(problem)) for problem in row.problems)
        self._write(RowOutcome(str(row.place), video_id, str(action or REJECTED), problems))
        if action is None and len(self.rejected_rows) < REJECTED_ROWS_KEPT:
            reasons = tuple(problem for problem in row.problems if problem.severity == "rejected")
            self.rejected_rows.append(RejectedRow(str(row.place), video_id, reasons))

    def planned(
        self, plan: Plan, refusals: Iterable[Refusal], before: Manifest | None, *, words: int = 0
    ) -> None:
        """Add the plan, the rules that it breaks, and the live version that it was compared with."""
        self.plan, self.before, self.words = plan, before, words
        self.findings = self._judged(refusals)
        for video_id in plan.ids(Action.REMOVE):
            self._write(RowOutcome(None, video_id, str(Action.REMOVE)))

    def passage_truncated(self, video_id: str) -> None:
        """Add a video with a passage that is longer than the model's input."""
        self.truncated.append(video_id)
        message = "a passage is longer than the model's input; its end is shown but not searched by meaning"
        self._write(RowOutcome(None, video_id, "truncated-passage", (message,)))

    def end(self, error: BaseException | None = None) -> None:
        """Set the outcome and the end time; `error` ended the run, None if it succeeded."""
        self.ended_at = datetime.now(UTC)
        self.outcome, self.why = self._ending(error)
        if self.findings is not None and isinstance(error, GateError):
            # Some rules can only be checked on the new version.
            late = self._judged(error.refusals)
            self.findings += tuple(finding for finding in late if finding not in self.findings)

    @property
    def times(self) -> str | None:
        """A sentence about transcripts without times: in the new version, or else in the sources."""
        live = self.published
        if live and live.timed_transcripts is not None:
            return times_text(live.counts.videos_with_transcript, live.timed_transcripts)
        return times_text(self.counts.transcribed.total(), self.counts.timed)

    @property
    def quarantine_name(self) -> str | None:
        """The file that contains this run's rejected rows, if any."""
        return file_name(self.quarantine.path) if self.quarantine and self.quarantine.rows else None

    @property
    def row_reports(self) -> tuple[str, ...]:
        """The report files that list every row."""
        return tuple(file_name(file.path) for file in self.files if not file.is_page)

    def _ending(self, error: BaseException | None) -> tuple[str, str | None]:
        if self.published:
            # The version is live, even if a report could not be written afterwards.
            return RunOutcome.PUBLISHED, clean_text(str(error)) if error else None
        if error is None:
            return DRY_RUN if self.request.dry_run else RunOutcome.UNCHANGED, None
        if isinstance(error, GateError):
            return RunOutcome.REFUSED, clean_text(str(error))
        if isinstance(error, KeyboardInterrupt):
            return RunOutcome.STOPPED, "Stopped by Ctrl-C or SIGTERM."
        if isinstance(error, CancelledError):
            return RunOutcome.STOPPED, "Another run took over the index."
        return RunOutcome.FAILED, clean_text(str(error)) or type(error).__name__

    def _judged(self, refusals: Iterable[Refusal]) -> tuple[Finding, ...]:
        accepted = self.request.accepted
        return tuple(Finding(refusal.rule, refusal.reason, refusal.rule in accepted) for refusal in refusals)

    def _write(self, outcome: RowOutcome) -> None:
        for file in self.files:
            try:
                file.row(outcome)
            except OSError as e:
                raise unwritable(file, e) from e


def unwritable(file: ReportFile, error: OSError) -> IngestError:
    """Build the error for a report that cannot be written."""
    return IngestError(f"Cannot write the report {file.path}: {error.strerror or error}.")
