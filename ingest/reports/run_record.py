"""Writing down, with the index, that a run began and how it ended."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingest.planning.gate import GateError
from ingest.rows.fields import clean_text
from ingest.rows.row import file_name
from retrieval.catalogue.runs import KEPT_RUNS, Run, RunOutcome
from retrieval.catalogue.wording import counted, counts_text, duration, outcome_text, timestamp
from retrieval.errors import UnreadableLogError, VidsearchError
from retrieval.index.store import IndexStore


class RunRecord:
    """What a run says of itself while it is at work."""

    def __init__(self) -> None:
        """Take it for one that changes nothing, until it says otherwise."""
        self.counts: Mapping[str, int] = {}
        self.index_version: str | None = None
        """What it made live."""


@asynccontextmanager
async def recording(
    store: IndexStore,
    sources: Sequence[Path],
    accepted: Collection[str],
    tell: Callable[[str], None],
) -> AsyncIterator[RunRecord]:
    """Note a run in the store's log when it begins, and again, with its outcome, however it ends.

    Where the log cannot be written, that is told, and the run goes on. Only inside the store's `exclusive`.
    """
    begun = Run(
        began_at=datetime.now(UTC), sources=tuple(map(file_name, sources)), accepted=tuple(sorted(accepted))
    )
    await _note(store, begun, tell)
    record = RunRecord()
    outcome, why = RunOutcome.UNCHANGED, None
    try:
        yield record
    except BaseException as error:
        outcome, why = ending_of(error)
        raise
    finally:
        ended = msgspec.structs.replace(
            begun,
            ended_at=datetime.now(UTC),
            # What is live is live, whatever went wrong in telling so.
            outcome=RunOutcome.PUBLISHED if record.index_version else outcome,
            why=why,
            index_version=record.index_version,
            counts={name: count for name, count in sorted(record.counts.items()) if count},
        )
        await _note(store, ended, tell)


async def _note(store: IndexStore, run: Run, tell: Callable[[str], None]) -> None:
    """Put a run at the head of the log, in place of what was noted of it before."""
    try:
        others = [other for other in await _noted(store, tell) if other.began_at != run.began_at]
        # One that is at work has come to nothing yet, and is not taken for one that was killed.
        runs = folded([run, *others]) if run.ended_at else [run, *folded(others)]
        await store.write_runs(runs[:KEPT_RUNS])
    except (VidsearchError, OSError) as e:
        tell(f"warning: This run cannot be noted in the log that ingest status shows: {e}")


async def _noted(store: IndexStore, tell: Callable[[str], None]) -> Sequence[Run]:
    try:
        return await store.runs()
    except UnreadableLogError as e:
        tell(f"warning: The log of runs is begun anew: {e}")
        return ()


def folded(runs: Iterable[Run]) -> list[Run]:
    """Write runs that came to the same one after the other as one run, the last of them, with their number.

    What is tried again and again would else fill the log, and the last run that made something live would be
    gone from it.
    """
    kept: list[Run] = []
    for run in runs:
        if kept and run.index_version is None and _came_to(kept[-1]) == _came_to(run):
            last = kept.pop()
            times, since = last.times + run.times, run.since or run.began_at
            kept.append(msgspec.structs.replace(last, times=times, since=since))
        else:
            kept.append(run)
    return kept


def _came_to(run: Run) -> Run:
    """Leave out what tells a run from another that came to the same."""
    always = datetime.min.replace(tzinfo=UTC)
    ended_at = always if run.ended_at else None
    return msgspec.structs.replace(run, began_at=always, ended_at=ended_at, times=1, since=None)


def ending_of(error: BaseException) -> tuple[RunOutcome, str | None]:
    """Say how a run ended that this ended, and why if it says."""
    if isinstance(error, GateError):
        return RunOutcome.REFUSED, str(error)
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        return RunOutcome.STOPPED, None
    return RunOutcome.FAILED, clean_text(str(error)) or type(error).__name__


def describe_run(run: Run) -> str:
    """Describe a run in one line: its start, duration, outcome, counts, sources and reason."""
    sources = f"({', '.join(run.sources)})"
    if run.since:
        sources += f", {counted(run.times, 'time')} in a row since {timestamp(run.since)}"
    began, outcome = timestamp(run.began_at), outcome_text(run.outcome).lower()
    if run.ended_at is None or run.outcome is None:
        return f"{began}: {outcome}; it is still running, or was killed {sources}"
    took = duration((run.ended_at - run.began_at).total_seconds())
    version = f" {run.index_version}" if run.index_version else ""
    counts = counts_text(run.counts, run.outcome).lower()
    reason = f": {' '.join(run.why.split())}" if run.why else ""
    return f"{began}, {took}: {outcome}{version}{f'; {counts}' if counts else ''} {sources}{reason}"
