"""What a run came to: what it was asked, how it ended, and what it counted on the way."""

from asyncio import CancelledError
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import get_args

import msgspec

from ingest.planning.gate import GateError, Refusal, Rule
from ingest.reports.profile import CatalogueProfile
from ingest.reports.run_record import ending_of
from ingest.rows.fields import clean_text
from ingest.rows.row import RowProblem, Severity
from retrieval.catalogue.manifest import IndexCounts, Manifest
from retrieval.catalogue.runs import RunOutcome
from retrieval.catalogue.wording import DRY_RUN


class RunRequest(msgspec.Struct, frozen=True):
    """What a run was asked: its sources, the rules that it is let through by name, and to do nothing."""

    sources: tuple[str, ...] = ()
    accepted: frozenset[Rule] = frozenset()
    dry_run: bool = False


class GateFinding(msgspec.Struct, frozen=True):
    """A rule that a run breaks, and whether it was let through by name."""

    rule: Rule
    reason: str
    accepted: bool


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to.

    `outcome` is a RunOutcome or "dry run", `why` what it was refused, failed or stopped for.

    `index_version` and `after` are of what it made live, `before` of the live version that it began with,
    None where there was none but the sample. `actions` and `rejected` count videos and rows as planned,
    whether or not that was carried out; `reasons` counts what there was to tell about rows, by severity and
    reason code. `truncated` videos have a passage longer than the model reads. `findings` is None where the
    run ended before the gate was asked; everything counted is then of the rows read until there.
    `quarantine` and `row_reports` are the files that have every rejected row.
    """

    outcome: str
    why: str | None
    dry_run: bool
    began_at: datetime
    ended_at: datetime
    sources: tuple[str, ...]
    accepted: tuple[Rule, ...]
    index_version: str | None
    rows: int
    actions: dict[str, int]
    rejected: int
    reasons: dict[str, dict[str, int]]
    truncated: int
    findings: tuple[GateFinding, ...] | None
    before: IndexCounts | None
    after: IndexCounts | None
    profile: CatalogueProfile
    quarantine: str | None = None
    row_reports: tuple[str, ...] = ()


def outcome_of(
    error: BaseException | None, made_live: Manifest | None, *, dry_run: bool
) -> tuple[str, str | None]:
    """Say how a run ended, and why: `error` is what it ended by, `made_live` the version it published."""
    outcome, why = ending_of(error) if error else (DRY_RUN if dry_run else RunOutcome.UNCHANGED, None)
    if isinstance(error, KeyboardInterrupt):
        why = "Ctrl-C or SIGTERM ended it."
    if isinstance(error, CancelledError):
        why = "Another run took the index over."
    # What is live is live, whatever went wrong in telling so.
    return str(RunOutcome.PUBLISHED if made_live else outcome), clean_text(why) if why else None


def judged(refusals: Iterable[Refusal], accepted: Iterable[Rule]) -> tuple[GateFinding, ...]:
    """Say of each refusal whether it was accepted."""
    accepted = frozenset(accepted)
    return tuple(GateFinding(refusal.rule, refusal.reason, refusal.rule in accepted) for refusal in refusals)


def with_those_of(
    error: BaseException | None, findings: tuple[GateFinding, ...] | None
) -> tuple[GateFinding, ...] | None:
    """Add what the gate found only once the new version was built."""
    if findings is None or not isinstance(error, GateError):
        return findings
    return findings + tuple(finding for finding in judged(error.refusals, ()) if finding not in findings)


def by_severity(reasons: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Sort counts by `severity: reason code` into counts by reason code, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return {
        severity: {
            name.removeprefix(f"{severity}: "): count
            for name, count in ordered
            if name.startswith(f"{severity}: ")
        }
        for severity in get_args(Severity)
    }


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
