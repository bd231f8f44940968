"""`ingest sync`: one run."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ingest.commands.signals import stop_at_signals
from ingest.errors import ExitCode, IngestError, SourceError
from ingest.planning.gate import Gate
from ingest.reports.account import RunAccount, RunRequest
from ingest.reports.documents import plan_document
from ingest.reports.files import quarantining
from ingest.reports.recording import recording, reporting
from ingest.reports.text import (
    estimate_line,
    left_behind_line,
    next_line,
    plan_lines,
    row_lines,
    truncated_line,
    untranscribed_lines,
)
from ingest.rows.row import file_name
from ingest.settings import IngestSettings
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.youtube.channel import YouTube
from ingest.terminal import Terminal
from retrieval.catalogue.wording import counted
from retrieval.index.store import IndexStore
from retrieval.opening import open_store
from retrieval.settings import DATA_DIR, SearchSettings, usable_cores

if TYPE_CHECKING:  # `--help` must not load these.
    from ingest.embedding.encoders import Model
    from ingest.sync.job import SyncJob
    from ingest.sync.planning import PlannedSync


async def sync(args: argparse.Namespace, settings: SearchSettings, console: Terminal) -> int:
    """Make the index equal to the sources."""
    stop_at_signals()
    check_paths(args.report, args.sources)
    from ingest.embedding.encoders import load_model  # noqa: PLC0415 - `--help` must not load the model's library.

    job = _job(args)
    show = console.print
    request = RunRequest(tuple(map(file_name, job.sources)), job.gate.accepted, dry_run=args.dry_run)
    account = RunAccount(request)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        if not args.dry_run:
            await stack.enter_async_context(store.exclusive())
            await stack.enter_async_context(recording(store, account, show))
            quarantine = quarantining(settings.index_dir / "quarantine.jsonl", job.sources)
            account.quarantine = stack.enter_context(quarantine)
        if job.youtube:
            stack.callback(job.youtube.close)
        stack.enter_context(reporting(account, args.report))
        model = load_model(settings.model_dir, device=args.device)
        planned = await _plan(job, store, model, account, console)
        if args.dry_run:
            _show_dry_run(planned, account, console, as_json=args.json)
            job.gate.check(planned.refusals)
        elif planned.changes_nothing(job.gate):
            job.gate.check(planned.refusals)  # The gate also checks the catalogue itself, changed or not.
            show("Nothing to do: the index is already up to date.")
        else:
            await _publish(job, store, model, planned, account, console)
    if account.truncated:
        show(truncated_line(account.truncated))
    _show_all(untranscribed_lines(account), show)
    if account.published and not account.published.is_sample:
        show(next_line(is_first=account.before is None, has_api=find_spec("api") is not None))
    if account.times and not job.is_sample:
        show(f"note: {account.times}")
    return ExitCode.SOME_REJECTED if account.counts.rejected else ExitCode.DONE


def _job(args: argparse.Namespace) -> "SyncJob":
    """Build the job of a command line. Raises SettingsError."""
    from ingest.sync.job import SyncJob  # noqa: PLC0415 - as above.

    languages = tuple(args.language or DEFAULT_LANGUAGES)
    own = IngestSettings.from_environment(os.environ)
    return SyncJob(
        sources=tuple(args.sources),
        prune=args.prune,
        languages=languages,
        youtube=YouTube(own.youtube_key, languages=languages, folder=DATA_DIR / "youtube"),
        gate=Gate(own.gate_limits, frozenset(args.accept)),
    )


def check_paths(reports: Sequence[Path], sources: Sequence[Path]) -> None:
    """Check the paths of reports and sources against each other.

    Raises SourceError if a source is a circular link, IngestError if a report is one, or would overwrite a
    source or be read as one.
    """
    from ingest.sources.folders.watched import is_read  # noqa: PLC0415 - as above.

    resolved = [_resolved(source) for source in sources]
    if None in resolved:
        circular = sources[resolved.index(None)]
        raise SourceError(f"{circular}: is a circular link. Name the file itself")
    for report in reports:
        target = _resolved(report)
        problem = None
        if target is None:
            problem = "is a circular link"
        elif target in resolved:
            problem = "would overwrite a source"
        elif target.parent in resolved and is_read(target.name):
            problem = "would be read as a source by the next run"
        if problem:
            raise IngestError(f"--report {report} {problem}. Nothing was changed.")


def _resolved(path: Path) -> Path | None:
    """Follow links; None if they are circular."""
    try:
        return path.resolve()
    except RuntimeError:
        return None


async def _plan(
    job: "SyncJob", store: IndexStore, model: "Model", account: RunAccount, console: Terminal
) -> "PlannedSync":
    """Plan the sync. Show the plan and the problems of the rows, those also if planning fails."""
    from ingest.sync.planning import plan_sync  # noqa: PLC0415 - as above.

    show = console.print
    try:
        planned = await plan_sync(job, store, model, account, console)
    finally:
        _show_all(row_lines(account), show)
        if account.quarantine_name:
            show(f"Rejected rows and the reasons: {account.quarantine_name}")
    if planned.start.why_not_kept:
        show(planned.start.why_not_kept)
    _show_all(plan_lines(account, prune=job.prune), show)
    return planned


async def _publish(
    job: "SyncJob",
    store: IndexStore,
    model: "Model",
    planned: "PlannedSync",
    account: RunAccount,
    console: Terminal,
) -> None:
    """Carry out the plan and show the published version."""
    from ingest.embedding.caching_encoder import caching  # noqa: PLC0415 - as above.
    from ingest.sync.build import left_behind, run_sync  # noqa: PLC0415

    folder = IngestSettings.from_environment(os.environ).embeddings_dir
    with caching(model, folder, console) as caching_model:
        account.published = await run_sync(job, store, caching_model, planned, account, console)
    counts = account.published.counts
    console.print(
        f"Live: version {account.published.index_version} with {counted(counts.videos, 'video')} and "
        f"{counted(counts.passages, 'passage')}.",
    )
    if incomplete := left_behind(planned):
        console.print(left_behind_line(incomplete))


def _show_dry_run(planned: "PlannedSync", account: RunAccount, console: Terminal, *, as_json: bool) -> None:
    if as_json:
        document = plan_document(account, planned.refusals, cores=usable_cores())
        sys.stdout.write(f"{msgspec.json.encode(document).decode()}\n")
    if estimate := estimate_line(account, cores=usable_cores()):
        console.print(estimate)
    apply = "" if planned.plan.changes_nothing else " To carry out the plan, leave out --dry-run."
    console.print(f"Nothing was changed: this was a dry run.{apply}")


def _show_all(lines: Iterable[str], show: Callable[[str], None]) -> None:
    for line in lines:
        show(line)
