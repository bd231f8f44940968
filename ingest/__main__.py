"""The command line of the batch job: `python -m ingest`."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from ingest.backup_commands import add_backup_commands
from ingest.errors import ExportError, IngestError, SourceError
from ingest.gate import Gate, Rule
from ingest.preview import describe_estimate, preview_of
from ingest.quarantine import quarantining
from ingest.report import Report, reporting
from ingest.run_record import RunRecord, describe_run, recording
from ingest.signals import stop_at_signals
from ingest.sources.caption_choice import DEFAULT_LANGUAGES
from ingest.sources.youtube import YouTube
from retrieval.errors import VidsearchError
from retrieval.manifest import Manifest
from retrieval.settings import DATA_DIR, SearchSettings, usable_cores
from retrieval.store_opening import open_store

if TYPE_CHECKING:  # It loads what `--help` must not wait for.
    from ingest.pipeline import Planned

_DONE, _SOME_REJECTED, _USAGE, _UNREADABLE, _REFUSED = 0, 1, 2, 3, 4

_SEE_STATUS = "What is live answers as before; python -m ingest status shows it."

_EPILOG = """\
examples:
  python -m ingest sync talks.parquet
  python -m ingest sync talks.csv captions/ --prune --report report.jsonl
  python -m ingest sync talks.jsonl --dry-run
  python -m ingest sync youtube:@handle --language de --language en
  python -m ingest watch uploads/ --every 60
  python -m ingest rollback
  python -m ingest snapshot /backup/talks.tar
  python -m ingest restore /backup/talks.tar

exit codes:
  0  done, or nothing to do
  1  done, and some rows were rejected (they are listed; the rest is live)
  2  the command line is wrong
  3  a source or a snapshot cannot be read, or is damaged; nothing was changed
  4  the run failed or was refused; the live index is as it was, or, on a Qdrant server, holds what was
     written so far: the same run again goes on from there

environment:
  GATE_FEWER_VIDEOS, ...    how much of what each rule of --accept forbids is let through (0.10)
  YT_API_KEY                a key for the YouTube Data API v3, for youtube:CHANNEL_ID
  INDEX_DIR                 where the index is (.data/index)
  MODEL_DIR                 where the exported model is (.data/model)
  EMBEDDINGS_DIR            where embeddings are kept for a run that follows one that was stopped, up to 4 GB;
                            set to nothing, none are (.data/embeddings)
  QDRANT_URL                a Qdrant server to keep the index in, instead of INDEX_DIR (port 6333 if none)
  QDRANT_API_KEY            the server's key
  QDRANT_GRPC_PORT          its gRPC port; REST is used where that is closed (6334)
  QDRANT_COLLECTION         what the names of its collections begin with (vidsearch)
  QDRANT_SHARDS             in how many shards a new collection is kept (1)
  QDRANT_REPLICAS           on how many nodes each shard is kept (1)
  QDRANT_WRITE_CONSISTENCY  how many of them must have a write before it counts (1)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(arguments)
    # What a program asked for has the output to itself.
    console = Console(highlight=False, soft_wrap=True, stderr=getattr(args, "json", False))
    try:
        settings = SearchSettings.from_environment(os.environ)
        code: int = args.run(args, settings, console)
    except SourceError as e:
        return _fail(e, _UNREADABLE)
    except (IngestError, ExportError, VidsearchError) as e:
        return _fail(e, _REFUSED)
    except OSError as e:
        return _fail(f"{e}. {_SEE_STATUS}", _REFUSED)
    except KeyboardInterrupt:
        return _fail(f"Stopped. {_SEE_STATUS}", _REFUSED)
    return code


def _fail(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Bring a catalogue of videos into the search index.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sync = commands.add_parser("sync", help="make the index hold what the sources hold")
    sync.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="parquet, csv or jsonl file (gzipped too), caption or Whisper file, a folder of those, bare or "
        "as yt-dlp leaves it, or youtube:CHANNEL_ID",
    )
    sync.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    sync.add_argument(
        "--json",
        action="store_true",
        help="with --dry-run: print the plan as JSON, and the rest as errors are",
    )
    sync.add_argument("--prune", action="store_true", help="delete what the sources no longer have")
    sync.add_argument(
        "--report", type=Path, metavar="FILE", help="write what happened to each row, a JSON object a line"
    )
    sync.add_argument(
        "--accept",
        action="append",
        default=[],
        type=Rule,
        choices=tuple(Rule),
        metavar="RULE",
        help=f"let this run through although it breaks a rule: {', '.join(Rule)}",
    )
    sync.add_argument(
        "--language",
        action="append",
        metavar="LANG",
        help=f"which captions to take, the preferred first; may be repeated ({DEFAULT_LANGUAGES[0]})",
    )
    sync.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to embed (cpu)")
    sync.set_defaults(run=_sync)

    watch = commands.add_parser("watch", help="sync a folder whenever its files have changed and settled")
    watch.add_argument("folder", type=Path, metavar="FOLDER", help="tables, or caption files")
    watch.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="how often to look (60)")
    watch.add_argument("--prune", action="store_true", help="delete what the files no longer have")
    watch.set_defaults(run=_watch)

    status = commands.add_parser("status", help="show the live version, the one before and the last runs")
    status.set_defaults(run=_status)

    rollback = commands.add_parser("rollback", help="make the previous version live again")
    rollback.set_defaults(run=_rollback)

    add_backup_commands(commands)

    export = commands.add_parser("export-model", help="export the model that searches are served with")
    export.add_argument(
        "--model", metavar="FOLDER_OR_NAME", help="a sentence-transformers model (the pinned package)"
    )
    export.set_defaults(run=_export_model)
    return parser


def _sync(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    return asyncio.run(_sync_async(args, settings, console))


async def _sync_async(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    from ingest.encoders import load_model  # noqa: PLC0415 - `--help` must not wait for the model's library.
    from ingest.keeping_encoder import embeddings_folder, keeping  # noqa: PLC0415
    from ingest.pipeline import (  # noqa: PLC0415
        SyncJob,
        describe_plan,
        left_behind,
        plan_sync,
        run_sync,
    )

    if args.json and not args.dry_run:
        raise IngestError("--json is for --dry-run. Nothing was done.")
    stop_at_signals()
    languages = args.language or DEFAULT_LANGUAGES
    if args.report and any(args.report.resolve() == source.resolve() for source in args.sources):
        raise IngestError(f"--report {args.report} would overwrite a source. Nothing was done.")
    youtube = YouTube(os.environ.get("YT_API_KEY"), languages=languages, folder=DATA_DIR / "youtube")
    gate = Gate.from_environment(os.environ, args.accept)
    tell = partial(console.print, markup=False)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        run, quarantine = RunRecord(), None
        if not args.dry_run:
            await stack.enter_async_context(store.exclusive())
            run = await stack.enter_async_context(recording(store, args.sources, args.accept, tell))
            quarantine = stack.enter_context(quarantining(settings.index_dir / "quarantine.jsonl"))
        stack.enter_context(youtube)
        report = stack.enter_context(reporting(args.report, quarantine))
        run.counts = report.outcomes
        job = SyncJob(
            sources=tuple(args.sources),
            prune=args.prune,
            languages=tuple(languages),
            youtube=youtube,
            gate=gate,
        )
        model = load_model(settings.model_dir, device=args.device)
        try:
            planned = await plan_sync(job, store, model, report, console)
        finally:
            _tell_problems(report, console)
        start, plan = planned.start, planned.plan
        for line in describe_plan(plan, start):
            tell(line)
        if args.prune and report.rejected > len(report.not_fetched):
            console.print(f"Nothing is removed: {report.rejected} rows were rejected, see above.")
        if args.dry_run:
            _tell_preview(planned, report, console, as_json=args.json)
            gate.check(planned.refusals)
        elif plan.changes_nothing and start.why_not_kept is None and not start.unfinished:
            gate.check(planned.refusals)  # What holds all of a source may be the better for it.
            console.print("Nothing to do: the index holds all of this already.")
        else:
            with keeping(model, embeddings_folder(os.environ), console) as model:
                manifest = await run_sync(job, store, model, planned, report, console)
            run.index_version = manifest.index_version
            _tell_live(manifest, console)
            if quarantine and quarantine.rows:
                tell(f"Rejected rows, and why: {quarantine.path}")
            _tell_left_behind(left_behind(start, plan), console)
    if report.truncated:
        console.print(
            f"{len(report.truncated)} videos have a passage longer than the model reads: "
            + ", ".join(report.truncated[:3]),
            markup=False,
        )
    return _SOME_REJECTED if report.rejected else _DONE


def _tell_preview(planned: "Planned", report: Report, console: Console, *, as_json: bool) -> None:
    preview = preview_of(
        planned.plan, planned.refusals, report.reasons, words=planned.words, cores=usable_cores()
    )
    if as_json:
        sys.stdout.write(f"{msgspec.json.encode(preview).decode()}\n")
    if estimate := describe_estimate(preview):
        console.print(estimate)
    console.print("Nothing was changed: this was a dry run.")


def _watch(args: argparse.Namespace, _: SearchSettings, console: Console) -> int:
    from ingest.watching import Watch, run_sync_process  # noqa: PLC0415 - as above.

    if not args.folder.is_dir():
        raise SourceError(f"{args.folder}: there is no such folder; check the path")
    if not args.every > 0:
        raise IngestError(f"--every is {args.every:g}, and must be more than 0 seconds.")
    stop_at_signals()
    options = ["--prune"] if args.prune else []
    watch = Watch(
        args.folder,
        lambda sources: run_sync_process(sources, options),
        lambda told: console.print(told, markup=False),
    )
    console.print(f"Watching {args.folder} every {args.every:g} s; Ctrl-C or SIGTERM ends it.", markup=False)
    try:
        while True:
            watch.look()
            time.sleep(args.every)
    except KeyboardInterrupt:
        return _DONE


def _tell_live(manifest: Manifest, console: Console) -> None:
    console.print(
        f"Live: version {manifest.index_version} with {manifest.counts.videos} videos and "
        f"{manifest.counts.passages} passages.",
        markup=False,
    )


def _tell_left_behind(video_ids: list[str], console: Console) -> None:
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
        console.print("--report FILE lists every one of them.")


def _status(_: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    return asyncio.run(_status_async(settings, console))


async def _status_async(settings: SearchSettings, console: Console) -> int:
    tell = partial(console.print, markup=False)
    async with open_store(settings) as store:
        live, runs = await store.live(), await store.runs()
        previous = await store.previous() if live else None
    if live:
        for label, manifest in (("live", live), ("previous", previous)):
            tell(f"{label}: {_described(manifest) if manifest else 'none'}")
        if live.is_partial:
            tell(
                "A run that writes into the live version began and has not ended, or left videos behind that "
                "no run has ended since. If none is at work, run the same sync again: it goes on from there."
            )
    else:
        tell(f"There is no index in {store.place}. Build one: python -m ingest sync SOURCE")
    if runs:
        tell("runs, the last one first:")
    for run in runs:
        tell(f"  {describe_run(run)}")
    return _DONE


def _described(manifest: Manifest) -> str:
    counts, accepted = manifest.counts, ", ".join(manifest.accepted)
    return (
        f"{manifest.index_version}, built {manifest.built_at:%Y-%m-%d %H:%M} UTC with {manifest.model.name}: "
        f"{counts.videos} videos ({counts.transcript_coverage:.0%} with a transcript), "
        f"{counts.passages} passages" + (f"; accepted: {accepted}" if accepted else "")
    )


def _rollback(_: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    return asyncio.run(_rollback_async(settings, console))


async def _rollback_async(settings: SearchSettings, console: Console) -> int:
    async with open_store(settings) as store, store.exclusive():
        before = await store.live()
        live = await store.roll_back()
    kept = f" The version {before.index_version} is kept." if before else ""
    console.print(f"Live: version {live.index_version}.{kept}", markup=False)
    return _DONE


def _export_model(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    console.print("Exporting the model and proving it against sentence-transformers (about 30 s)")
    export_model = import_module("ingest.export_onnx").export_model
    exported = export_model(settings.model_dir, args.model)
    console.print(
        f"Exported {exported.identity.name} to {settings.model_dir}: {exported.proof}.", markup=False
    )
    return _DONE


if __name__ == "__main__":
    sys.exit(main())
