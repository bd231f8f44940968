"""The account of a run, and the stored log of runs, as lines of text for the terminal. Pure."""

from collections.abc import Iterator, Sequence

from ingest.planning.gate import some
from ingest.planning.plan import Action
from ingest.reports.account import RunAccount
from ingest.reports.documents import embedding_seconds, texts_to_embed
from retrieval.catalogue.runs import Run
from retrieval.catalogue.wording import counted, counts_text, duration, outcome_text, timestamp


def problem_lines(account: RunAccount) -> Iterator[str]:
    """List the first problems of each kind, and the number of each kind."""
    for problem in account.first_problems:
        yield f"{problem.severity}: {problem}"
    for (severity, code), count in sorted(account.counts.reasons.items()):
        yield f"{severity}: {code}: {count}"
    if account.counts.reasons.total() > len(account.first_problems):
        yield "--report FILE.json lists all of them."


def plan_lines(account: RunAccount, *, prune: bool) -> Iterator[str]:
    """List the actions of the plan with their first videos."""
    if account.plan is None:
        return
    for action in Action:
        if ids := account.plan.ids(action):
            yield f"{action}: {len(ids)} ({some(ids)})"
    unknown = account.counts.rejected_without_id
    if prune and unknown:
        yield (
            f"No video is removed: {counted(unknown, 'rejected row')} {'has' if unknown == 1 else 'have'} no "
            "video id (see above)."
        )


def estimate_line(account: RunAccount, *, cores: int) -> str | None:
    """Estimate how long embedding would take; None if there is nothing to embed."""
    texts = texts_to_embed(account)
    if not texts:
        return None
    time = duration(embedding_seconds(texts, cores))
    return f"Embedding about {counted(texts, 'text')} would take about {time} on this machine."


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
    reason = f": {'; '.join(line.removesuffix('.') for line in run.why.splitlines())}" if run.why else ""
    return f"{began}, {took}: {outcome}{version}{f'; {counts}' if counts else ''} {sources}{reason}"
