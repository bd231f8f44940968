"""The view model of the status page. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from api.pages.activity_view import ActivityView
from api.pages.wording import ago, latency
from api.wire.schemas import Health, HealthEntry, HealthStatus
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.catalogue.wording import (
    counted,
    counts_text,
    duration,
    outcome_text,
    share,
    times_text,
    timestamp,
)

SHOWN_RUNS = 5
"""The number of recent runs that are always visible. Earlier ones are folded."""

NO_INDEX = "There is no index, or it does not respond."

RUN_DETAILS = "python -m ingest status"
"""The command that shows the reason of a failed run, which the public page leaves out."""

Activity = ActivityView | Literal["requires-key", "on-metrics-port"]
"""The searches of the last hour, or the reason why the page does not show them."""

_HEADLINES: dict[HealthStatus, str] = {
    "pass": "Everything works",
    "warn": "Working, with warnings",
    "fail": "Search is failing",
}
_STOPPING = "The service is stopping"

Tone = Literal["good", "warn", "bad", "plain"]

_TONES: dict[RunOutcome, Tone] = {
    RunOutcome.PUBLISHED: "good",
    RunOutcome.REFUSED: "warn",
    RunOutcome.FAILED: "bad",
    RunOutcome.STOPPED: "warn",
}


class CheckView(msgspec.Struct, frozen=True):
    """One check and its result. `command` shows details, if there are any."""

    name: str
    status: HealthStatus
    text: str
    command: str = ""


class Fact(msgspec.Struct, frozen=True):
    """A fact about the index. `is_name` marks an identifier, which is set in a monospaced font."""

    label: str
    value: str
    detail: str = ""
    is_name: bool = False


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run of ingest. Unknown fields are empty, and `began_at` is in ISO 8601.

    It contains neither the sources nor the reason of a failure: they name files and servers, and the page is
    public.
    """

    outcome: str
    tone: Tone
    began_at: str
    began: str
    ago: str
    took: str
    result: str
    version: str
    repeated: str


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page. `facts` are None if there is no index; `earlier_runs` precede `runs`."""

    status: HealthStatus
    headline: str
    summary: str
    checks: tuple[CheckView, ...]
    facts: tuple[Fact, ...] | None
    activity: Activity
    runs: tuple[RunView, ...]
    earlier_runs: tuple[RunView, ...]
    checked_at: str


def view_status(
    health: Health,
    runs: Sequence[Run],
    activity: Activity,
    now: datetime,
    *,
    timed_transcripts: int | None = None,
) -> StatusView:
    """Describe the health of a service, its recent runs (the last one first) and its activity.

    `timed_transcripts` is the number of transcripts with times, None if it is unknown.
    """
    transcripts = health.index.videos_with_transcript if health.index else 0
    checks = _checks(health, now, times_text(transcripts, timed_transcripts))
    views = [view_run(run, now) for run in runs]
    return StatusView(
        status=health.status,
        headline=_STOPPING if "service:stopping" in health.checks else _HEADLINES[health.status],
        summary=_summary(health, checks),
        checks=checks,
        facts=_facts(health, now),
        activity=activity,
        runs=tuple(views[:SHOWN_RUNS]),
        earlier_runs=tuple(views[SHOWN_RUNS:]),
        checked_at=f"{now:%H:%M:%S} UTC",
    )


def view_run(run: Run, now: datetime) -> RunView:
    """Describe a run of ingest."""
    return RunView(
        outcome=outcome_text(run.outcome),
        tone=_TONES.get(run.outcome, "plain") if run.outcome else "plain",
        began_at=run.began_at.isoformat(),
        began=timestamp(run.began_at),
        ago=ago(run.began_at, now),
        took=duration((run.ended_at - run.began_at).total_seconds()) if run.ended_at else "",
        result=_run_result(run),
        version=run.index_version or "",
        repeated=f"{counted(run.times, 'time')} in a row since {timestamp(run.since)}" if run.since else "",
    )


def _checks(health: Health, now: datetime, lack: str | None) -> tuple[CheckView, ...]:
    views: dict[str, Callable[[HealthEntry], CheckView]] = {
        "backend:responseTime": _search,
        "index:age": lambda entry: _age(entry, now),
        "index:transcriptCoverage": lambda entry: _coverage(entry, lack),
        "ingest:lastRun": lambda entry: _ingest(entry, now),
        "service:stopping": lambda entry: CheckView("Service", entry.status, str(entry.output)),
    }
    return tuple(view(entry) for check, view in views.items() for entry in health.checks.get(check, ()))


def _search(entry: HealthEntry) -> CheckView:
    result = "passed" if entry.status == "pass" else "failed"
    if entry.status == "pass" and entry.observed_value is not None:
        result = latency(float(entry.observed_value) / 1000)
    return CheckView("Search", entry.status, f"Test search: {result}.")


def _age(entry: HealthEntry, now: datetime) -> CheckView:
    built = f"Built {ago(now - timedelta(seconds=float(entry.observed_value or 0)), now)}."
    return CheckView("Index age", entry.status, f"{built} {entry.output or ''}".rstrip())


def _coverage(entry: HealthEntry, lack: str | None) -> CheckView:
    coverage = f"{share(float(entry.observed_value or 0))} of the videos have a transcript"
    too_few = "" if entry.status == "pass" else ", fewer than expected"
    return CheckView("Transcripts", entry.status, " ".join(filter(None, (f"{coverage}{too_few}.", lack))))


def _ingest(entry: HealthEntry, now: datetime) -> CheckView:
    text = f"Last run: {outcome_text(str(entry.observed_value)).lower()}, {ago(entry.time, now)}."
    return CheckView("Ingest", entry.status, text, "" if entry.status == "pass" else RUN_DETAILS)


def _summary(health: Health, checks: Sequence[CheckView]) -> str:
    if health.status == "fail" and health.index is None:
        return NO_INDEX
    if health.status == "pass" and health.index is not None:
        return f"{counted(health.index.videos, 'video')} in the index."
    return " ".join(check.text for check in checks if check.status == health.status)


def _facts(health: Health, now: datetime) -> tuple[Fact, ...] | None:
    index, model = health.index, health.model
    if index is None or model is None:
        return None
    transcribed = share(index.videos_with_transcript, index.videos)
    return (
        Fact("Videos", f"{index.videos:,}"),
        Fact(
            "With a transcript",
            f"{index.videos_with_transcript:,}",
            transcribed,
        ),
        Fact("Passages", f"{index.passages:,}"),
        Fact("Built", timestamp(index.built_at), ago(index.built_at, now)),
        Fact("Version", index.version, is_name=True),
        Fact("Model", model.name, counted(model.dimension, "dimension"), is_name=True),
    )


def _run_result(run: Run) -> str:
    if run.outcome is None:
        return "Still running, or killed."
    return counts_text(run.counts, run.outcome) or "No counts."
