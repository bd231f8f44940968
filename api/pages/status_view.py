"""What the status page shows: how the service is, in words and pictures. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from api.pages.activity_view import ActivityView
from api.pages.run_view import RunView, view_run
from api.pages.wording import ago, latency
from api.wire.schemas import Health, HealthEntry, HealthStatus
from retrieval.catalogue.runs import Run
from retrieval.catalogue.wording import counted, outcome_text, share, timestamp

SHOWN_RUNS = 5
"""How many of the last runs are seen at once."""

NO_INDEX = "There is no index, or it does not answer."

WHY = "python -m ingest status"
"""The command that says why a run went wrong."""

Activity = ActivityView | Literal["asks-for-key", "elsewhere"]
"""What is shown of the last hour's searches, or why it is not."""

_HEADLINES: dict[HealthStatus, str] = {
    "pass": "Everything works",
    "warn": "Works, with warnings",
    "fail": "Searches fail",
}
_STOPPING = "The service is stopping"


class CheckView(msgspec.Struct, frozen=True):
    """One thing that was looked at, and what was seen; `command` says more of it."""

    name: str
    status: HealthStatus
    said: str
    command: str = ""


class Fact(msgspec.Struct, frozen=True):
    """Something about the index. `more` is said beside it; `is_name` where it is one that is looked up."""

    label: str
    value: str
    more: str = ""
    is_name: bool = False


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page. `facts` are None where there is no index, `earlier_runs` those before `runs`."""

    status: HealthStatus
    headline: str
    summary: str
    checks: tuple[CheckView, ...]
    facts: tuple[Fact, ...] | None
    activity: Activity
    runs: tuple[RunView, ...]
    earlier_runs: tuple[RunView, ...]
    at: str


def view_status(health: Health, runs: Sequence[Run], activity: Activity, now: datetime) -> StatusView:
    """Put everything into words."""
    checks = _checks(health, now)
    told = [view_run(run, now) for run in runs]
    return StatusView(
        status=health.status,
        headline=_STOPPING if "service:stopping" in health.checks else _HEADLINES[health.status],
        summary=_summary(health, checks),
        checks=checks,
        facts=_facts(health, now),
        activity=activity,
        runs=tuple(told[:SHOWN_RUNS]),
        earlier_runs=tuple(told[SHOWN_RUNS:]),
        at=f"{now:%H:%M:%S} UTC",
    )


def _checks(health: Health, now: datetime) -> tuple[CheckView, ...]:
    views: dict[str, Callable[[HealthEntry], CheckView]] = {
        "backend:responseTime": _search,
        "index:age": lambda entry: _age(entry, now),
        "index:transcriptCoverage": _coverage,
        "ingest:lastRun": lambda entry: _ingest(entry, now),
        "service:stopping": lambda entry: CheckView("Service", entry.status, str(entry.output)),
    }
    return tuple(view(entry) for check, view in views.items() for entry in health.checks.get(check, ()))


def _search(entry: HealthEntry) -> CheckView:
    took = f" in {latency(float(entry.observed_value) / 1000)}" if entry.observed_value is not None else ""
    is_answered = f"is answered{took}" if entry.status == "pass" else "is not answered"
    return CheckView("Search", entry.status, f"A test search {is_answered}.")


def _age(entry: HealthEntry, now: datetime) -> CheckView:
    built = f"Built {ago(now - timedelta(seconds=float(entry.observed_value or 0)), now)}."
    return CheckView("Age of the index", entry.status, f"{built} {entry.output or ''}".rstrip())


def _coverage(entry: HealthEntry) -> CheckView:
    said = f"{share(float(entry.observed_value or 0))} of the videos have a transcript"
    too_few = "" if entry.status == "pass" else ", fewer than there should be"
    return CheckView("Transcripts", entry.status, f"{said}{too_few}.")


def _ingest(entry: HealthEntry, now: datetime) -> CheckView:
    said = f"Last run: {outcome_text(str(entry.observed_value)).lower()}, {ago(entry.time, now)}."
    return CheckView("Ingest", entry.status, said, "" if entry.status == "pass" else WHY)


def _summary(health: Health, checks: Sequence[CheckView]) -> str:
    if health.status == "fail" and health.index is None:
        return NO_INDEX
    if health.status == "pass" and health.index is not None:
        return f"{counted(health.index.videos, 'video')} can be searched."
    return " ".join(check.said for check in checks if check.status == health.status)


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
