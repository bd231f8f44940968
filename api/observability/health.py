"""The health report of `/health`: the checks, and the status that follows from them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from api import __version__
from api.observability.readiness import Readiness
from api.wire.errors import StoppingError
from api.wire.responses import index_health, model_info
from api.wire.schemas import Health, HealthEntry, HealthStatus
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run, RunOutcome, last_confirmed
from retrieval.catalogue.wording import counted
from retrieval.errors import IndexUnavailableError, OverloadedError, VidsearchError
from retrieval.search.searcher import Searcher

_GOOD_OUTCOMES = frozenset({RunOutcome.PUBLISHED, RunOutcome.UNCHANGED, None})
_SECONDS_A_DAY = 86_400

MOST_RUN_HOURS = 12
"""An ingest run that has not ended after so long was killed, or hangs."""


class Expectations(msgspec.Struct, frozen=True):
    """The thresholds of a warning: the least share of videos with a transcript, and the most days of age.

    0 disables a threshold.
    """

    least_coverage: float = 0.0
    most_days: int = 0


def report_health(
    *,
    is_ready: bool,
    is_stopping: bool,
    canary_seconds: float | None,
    manifest: Manifest | None,
    runs: Sequence[Run],
    expected: Expectations,
    now: datetime,
) -> Health:
    """Build the report (pure). `runs` are the logged ingest runs, latest first.

    The status is `fail` if searching fails or the service is stopping, otherwise `warn` if a check misses its
    threshold.
    """
    last_run = next(iter(runs), None)
    checks: dict[str, list[HealthEntry]] = {
        "backend:responseTime": [_backend(is_ready=is_ready, seconds=canary_seconds, now=now)],
        **({"index:age": [_age(manifest, last_confirmed(runs), expected, now)]} if manifest else {}),
        **({"index:transcriptCoverage": [_coverage(manifest, expected, now)]} if manifest else {}),
        **({"ingest:lastRun": [_last_run(last_run, now)]} if last_run else {}),
        **({"service:stopping": [_stopping(now)]} if is_stopping else {}),
    }
    return Health(
        status=_worst(checks),
        version=__version__,
        index=index_health(manifest) if manifest else None,
        model=model_info(manifest) if manifest else None,
        checks=checks,
    )


def _backend(*, is_ready: bool, seconds: float | None, now: datetime) -> HealthEntry:
    fault = None if is_ready else "Search is failing."
    milliseconds = None if seconds is None else round(seconds * 1000, 2)
    return _entry("datastore", fault, "fail", milliseconds, "ms", now)


def _age(
    manifest: Manifest, confirmed_at: datetime | None, expected: Expectations, now: datetime
) -> HealthEntry:
    """Check the time since the index was built, or since a sync found nothing to change."""
    seconds = (now - max(manifest.built_at, confirmed_at or manifest.built_at)).total_seconds()
    is_old = 0 < expected.most_days * _SECONDS_A_DAY < seconds
    fault = f"Older than {counted(expected.most_days, 'day')}." if is_old else None
    return _entry("datastore", fault, "warn", round(seconds), "s", now)


def _coverage(manifest: Manifest, expected: Expectations, now: datetime) -> HealthEntry:
    share = manifest.counts.transcript_coverage
    is_low = share < expected.least_coverage
    fault = f"The share is less than {expected.least_coverage:g}." if is_low else None
    return _entry("datastore", fault, "warn", round(share, 4), "share", now)


def _last_run(run: Run, now: datetime) -> HealthEntry:
    fault = None
    if run.outcome is None and now - run.began_at > timedelta(hours=MOST_RUN_HOURS):
        fault = f"The run began more than {MOST_RUN_HOURS} hours ago."
    elif run.outcome not in _GOOD_OUTCOMES:
        # The reason itself names files and servers.
        fault = "Run python -m ingest status to see the reason."
    outcome = str(run.outcome) if run.outcome else "not ended"
    time = (run.ended_at or run.began_at).astimezone(UTC)
    return _entry("component", fault, "warn", outcome, None, time)


def _stopping(now: datetime) -> HealthEntry:
    fault = "The service is stopping. Searches are still answered until it stops."
    return _entry("component", fault, "fail", None, None, now)


def _entry(
    component: str,
    fault: str | None,
    level: HealthStatus,
    value: float | str | None,
    unit: str | None,
    time: datetime,
) -> HealthEntry:
    """Build an entry that passes without a `fault`, and otherwise has the status `level`."""
    return HealthEntry(
        component_type=component,
        status=level if fault else "pass",
        observed_value=value,
        observed_unit=unit,
        time=time,
        output=fault,
    )


def _worst(checks: Mapping[str, Sequence[HealthEntry]]) -> HealthStatus:
    statuses = {check.status for each in checks.values() for check in each}
    return "fail" if "fail" in statuses else "warn" if "warn" in statuses else "pass"


async def check_health(
    readiness: Readiness, expected: Expectations, manifest: Manifest | None, runs: Sequence[Run]
) -> Health:
    """Run every check and build the report. Known failures become part of the report, not errors."""
    return report_health(
        is_ready=await _is_ready(readiness),
        is_stopping=readiness.is_stopping,
        canary_seconds=readiness.seconds,
        manifest=manifest,
        runs=runs,
        expected=expected,
        now=datetime.now(UTC),
    )


async def _is_ready(readiness: Readiness) -> bool:
    try:
        await readiness.check()
    except StoppingError:
        # A stopping service still answers searches, as well as it did before.
        return readiness.last_result is not False
    except VidsearchError:
        return False
    return True


async def manifest_if_any(searcher: Searcher) -> Manifest | None:
    """Return the manifest of the live index; None if there is none or it does not answer."""
    try:
        return await searcher.manifest()
    except (IndexUnavailableError, OverloadedError):
        return None
