"""`ingest sync`: one run, what it is asked and what it tells."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from ingest.commands.signals import stop_at_signals
from ingest.errors import ExitCode, IngestError, SourceError
from ingest.planning.gate import Gate
from ingest.planning.preview import describe_estimate, preview_of
from ingest.reports.quarantine import quarantining
from ingest.reports.report import Report, reporting
from ingest.reports.run_record import RunRecord, recording
from ingest.reports.summary import RunRequest
from ingest.rows.row import file_name
from ingest.settings import IngestSettings
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.youtube.channel import YouTube
from retrieval.index.store import IndexStore
from retrieval.opening import open_store
from retrieval.settings import DATA_DIR, SearchSettings, usable_cores

if TYPE_CHECKING:  # They load what `--help` must not wait for.
    from ingest.embedding.encoders import Model
    from ingest.sync.pipeline import Planned, SyncJob


def sync(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    """Make the index hold what the sources hold."""
    stop_at_signals()
    check_paths(args.report, args.sources)
    return asyncio.run(_sync(args, settings, console))


async def _sync(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    from ingest.embedding.encoders import load_model  # noqa: PLC0415 - `--help` must not wait for the model's library.

    job = _job_of(args)
    tell = partial(console.print, markup=False)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        run, quarantine = RunRecord(), None
        if not args.dry_run:
            await stack.enter_async_context(store.exclusive())
            run = await stack.enter_async_context(recording(store, job.sources, job.gate.accepted, tell))
            quarantine = stack.enter_context(
                quarantining(settings.index_dir / "quarantine.jsonl", job.sources)
            )
        if job.youtube:
            stack.enter_context(job.youtube)
        request = RunRequest(tuple(map(file_name, job.sources)), job.gate.accepted, dry_run=args.dry_run)
        report = stack.enter_context(reporting(args.report, request, quarantine))
        run.counts = report.outcomes
        model = load_model(settings.model_dir, device=args.device)
        try:
            planned = await _plan_and_tell(job, store, model, report, console)
        finally:  # It is kept however the run ends.
            if quarantine and quarantine.rows:
                tell(f"Rejected rows, and why: {file_name(quarantine.path)}")
        if args.dry_run:
            _tell_preview(planned, report, console, as_json=args.json)
            job.gate.check(planned.refusals)
        elif planned.changes_nothing(job.gate):
            job.gate.check(planned.refusals)  # What holds all of a source may be the better for it.
            console.print("Nothing to do: the index holds all of this already.")
        else:
            await _publish_and_tell(job, store, model, planned, report, run, console)
    _tell_truncated(report, console)
    return ExitCode.SOME_REJECTED if report.rejected else ExitCode.DONE


def _job_of(args: argparse.Namespace) -> "SyncJob":
    """Say what a run is asked to do. Raises SettingsError."""
    from ingest.sync.pipeline import SyncJob  # noqa: PLC0415 - as above.

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
    """Raise SourceError for a source that is a loop, IngestError for a report that is one or a source."""
    from ingest.sources.folders.watched import is_read  # noqa: PLC0415 - as above.

    resolved = [_resolved(source) for source in sources]
    if None in resolved:
        looping = sources[resolved.index(None)]
        raise SourceError(f"{looping}: is a link that leads round to itself; give the file")
    for report in reports:
        target = _resolved(report)
        if target is None:
            raise IngestError(f"--report {report} is a link that leads round to itself. Nothing was done.")
        if target in resolved:
            raise IngestError(f"--report {report} would overwrite a source. Nothing was done.")
        if target.parent in resolved and is_read(target.name):
            raise IngestError(f"--report {report} would be read as a source, from then on. Nothing was done.")


def _resolved(path: Path) -> Path | None:
    """Follow links; None where they lead round in a circle."""
    try:
        return path.resolve()
    except RuntimeError:
        return None


async def _plan_and_tell(
    job: "SyncJob", store: IndexStore, model: "Model", report: Report, console: Console
) -> "Planned":
    """Read the sources; say what would be done, and what is wrong with them, also where that ends the run."""
    from ingest.sync.pipeline import describe_plan, plan_sync  # noqa: PLC0415 - as above.

    try:
        planned = await plan_sync(job, store, model, report, console)
    finally:
        _tell_problems(report, console)
    for line in describe_plan(planned.plan, planned.start):
        console.print(line, markup=False)
    if job.prune and report.rejected_without_id:
        console.print(
            f"Nothing is removed: {report.rejected_without_id} rows were rejected that do not say which "
            "video they are, see above."
        )
    return planned


async def _publish_and_tell(
    job: "SyncJob",
    store: IndexStore,
    model: "Model",
    planned: "Planned",
    report: Report,
    run: RunRecord,
    console: Console,
) -> None:
    """Do what was planned, and say what is live."""
    from ingest.embedding.caching_encoder import caching  # noqa: PLC0415 - as above.
    from ingest.sync.pipeline import left_behind, run_sync  # noqa: PLC0415

    folder = IngestSettings.from_environment(os.environ).embeddings_dir
    with caching(model, folder, console) as caching_model:
        manifest = await run_sync(job, store, caching_model, planned, report, console)
    run.index_version = manifest.index_version
    report.published(manifest)
    console.print(
        f"Live: version {manifest.index_version} with {manifest.counts.videos} videos and "
        f"{manifest.counts.passages} passages.",
        markup=False,
    )
    _tell_left_behind(left_behind(planned.start, planned.plan), console)


def _tell_preview(planned: "Planned", report: Report, console: Console, *, as_json: bool) -> None:
    preview = preview_of(
        planned.plan, planned.refusals, report.reasons, words=planned.words, cores=usable_cores()
    )
    if as_json:
        sys.stdout.write(f"{msgspec.json.encode(preview).decode()}\n")
    if estimate := describe_estimate(preview):
        console.print(estimate)
    console.print("Nothing was changed: this was a dry run.")


def _tell_left_behind(video_ids: Sequence[str], console: Console) -> None:
    if video_ids:
        console.print(
            f"{len(video_ids)} videos were not written to their end by an earlier run, and are not in these "
            f"sources: {', '.join(video_ids[:3])}. Sync the sources that hold them.",
            markup=False,
        )


def _tell_problems(report: Report, console: Console) -> None:
    for problem in report.first_problems:
        console.print(f"{problem.severity}: {problem}", markup=False)
    for reason, count in sorted(report.reasons.items()):
        console.print(f"{reason}: {count}", markup=False)
    if report.reasons.total() > len(report.first_problems):
        console.print("--report FILE.json lists every one of them.")


def _tell_truncated(report: Report, console: Console) -> None:
    if report.truncated:
        console.print(
            f"{len(report.truncated)} videos have a passage longer than the model reads: "
            + ", ".join(report.truncated[:3]),
            markup=False,
        )
