"""The account of a run, and the stored log of runs, as lines of text for the terminal. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from ingest.planning.gate import REFUSED, some
from ingest.planning.plan import Action
from ingest.planning.row_counts import REJECTED, RowCounts
from ingest.reports.account import NOT_SHOWN, RunAccount
from ingest.reports.documents import embedding_seconds, texts_to_embed
from ingest.rows.reasons import MISSING, NO_TRANSCRIPT, counted_reason
from ingest.rows.row import Severity
from retrieval.catalogue.runs import Run
from retrieval.catalogue.wording import (
    PLANNED_LABELS,
    counted,
    counts_text,
    duration,
    outcome_text,
    timestamp,
)

SHOWN_UNTRANSCRIBED: Final = 10
"""The number of videos without a transcript that the terminal lists."""

Kind: TypeAlias = tuple[Severity, str, str | None]
"""A kind of problem: its severity, reason code and field."""


def row_lines(account: RunAccount) -> Iterator[str]:
    """List the first problems of each kind, and count the rows by their result and reasons."""
    counts = account.counts
    for problem in account.first_problems:
        yield f"{problem.severity}: {problem}"
    if sum(number for (_, code), number in counts.reasons.items() if code not in NOT_SHOWN) > len(
        account.first_problems
    ):
        yield "--report FILE.json lists all of them."
    if counts.rows:
        yield f"{counted(counts.rows, 'row')} read: {', '.join(_results(counts))}."
    for severity in ("warning", "note"):
        if reasons := _reasons(counts, severity):
            yield f"{severity.capitalize()}s: {reasons}."


def _results(counts: RowCounts) -> Iterator[str]:
    for action, label in PLANNED_LABELS.items():
        if action != REJECTED and (number := counts.actions[action]):
            yield f"{number:,} {label}"
    if counts.rejected:
        yield f"{counts.rejected:,} rejected: {_reasons(counts, 'rejected')}"


def _reasons(counts: RowCounts, severity: Severity) -> str:
    """Count the reasons of a severity, the most frequent first."""
    return ", ".join(
        counted_reason(number, code, field)
        for (of, code, field), number in _merged(counts.reasons_by_field).most_common()
        if of == severity and code != NO_TRANSCRIPT  # Those videos are listed at the end of the run.
    )


def _merged(reasons_by_field: Counter[Kind]) -> Counter[Kind]:
    """Merge the counts of a reason over its fields, unless its wording names the field."""
    merged: Counter[Kind] = Counter()
    for (severity, code, field), number in reasons_by_field.items():
        merged[severity, code, field if code == MISSING else None] += number
    return merged


def plan_lines(account: RunAccount, *, prune: bool) -> Iterator[str]:
    """List the changes of the plan with their first videos."""
    if account.plan is None:
        return
    for action in Action:
        if action is not Action.KEEP and (ids := account.plan.ids(action)):
            yield f"{PLANNED_LABELS[action].capitalize()}: {len(ids):,} ({some(ids)})"
    unknown = account.counts.rejected_without_id
    if prune and unknown:
        yield (
            f"No video is removed: {counted(unknown, 'rejected row')} {'has' if unknown == 1 else 'have'} no "
            "video id (see above)."
        )


def untranscribed_lines(account: RunAccount) -> Iterator[str]:
    """List the first videos without a transcript."""
    videos = account.counts.videos.total() - account.counts.transcribed.total()
    if not videos:
        return
    has, them = ("has", "it") if videos == 1 else ("have", "them")
    yield f"note: {counted(videos, 'video')} {has} no transcript; searches find {them} by title only:"
    shown = account.untranscribed[:SHOWN_UNTRANSCRIBED]
    for video in shown:
        yield f"  {video.video_id}: {_on_one_line(video.title)}"
    if more := videos - len(shown):
        yield f"  and {more:,} more; --report FILE.json lists them"


def _on_one_line(title: str) -> str:
    # A control character could move the cursor or change colours.
    return " ".join("".join(c if c.isprintable() else " " for c in title).split())


def estimate_line(account: RunAccount, *, cores: int) -> str | None:
    """Estimate how long embedding would take; None if there is nothing to embed."""
    texts = texts_to_embed(account)
    if not texts:
        return None
    time = duration(embedding_seconds(texts, cores))
    return f"Embedding about {counted(texts, 'text')} would take about {time} on this machine."


def next_line(*, is_first: bool, has_api: bool) -> str:
    """Return the next step after a version was published; `has_api`: the API can be started here."""
    loads = "Next: a running API loads this version within two seconds."
    if is_first and has_api:
        return f"{loads} To start one and open its search page: python -m api"
    return loads if is_first else f"{loads} To undo this run: python -m ingest rollback"


def truncated_line(video_ids: Sequence[str]) -> str:
    """Name videos with a passage that is longer than the model's input."""
    has = "has" if len(video_ids) == 1 else "have"
    return (
        f"{counted(len(video_ids), 'video')} {has} a passage longer than the model's input: {some(video_ids)}"
    )


def left_behind_line(video_ids: Sequence[str]) -> str:
    """Name videos that an interrupted run left incomplete and that are not in this run's sources."""
    was, it = ("was", "it") if len(video_ids) == 1 else ("were", "them")
    return (
        f"{counted(len(video_ids), 'video')} {was} left incomplete by an earlier run and not in these "
        f"sources: {some(video_ids)}. Sync the sources that contain {it}."
    )


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
    # The outcome is in the line already.
    reasons = [line.removesuffix(".") for line in (run.why or "").splitlines() if line != REFUSED]
    reason = f": {'; '.join(reasons)}" if reasons else ""
    return f"{began}, {took}: {outcome}{version}{f'; {counts}' if counts else ''} {sources}{reason}"
