"""`ingest snapshot` and `ingest restore`, as the command line has them."""

import argparse
import asyncio
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ingest.commands.index import readable_live
from ingest.commands.signals import stop_at_signals
from ingest.errors import ExitCode
from ingest.reports.run_record import recording
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.catalogue.runs import RESTORED
from retrieval.catalogue.wording import duration, timestamp
from retrieval.opening import open_store
from retrieval.settings import SearchSettings
from retrieval.text.exported_model import DESCRIPTION_FILE, read_exported_model

if TYPE_CHECKING:  # It loads what `--help` must not wait for.
    from ingest.backup.snapshot_file import SnapshotFile


def add_backup_commands(commands: Any) -> None:
    """Add both commands to those of the command line."""
    snapshot = commands.add_parser("snapshot", help="write the live version into one file, to keep elsewhere")
    snapshot.add_argument("file", type=Path, metavar="FILE", help="the file to write, a tar archive")
    snapshot.add_argument(
        "--replace", action="store_true", help="take the place of a FILE that is there, once the new is whole"
    )
    snapshot.set_defaults(run=_snapshot)

    restore = commands.add_parser("restore", help="make what a snapshot holds the live version")
    restore.add_argument("file", type=Path, metavar="FILE", help="what ingest snapshot wrote")
    restore.add_argument(
        "--dry-run", action="store_true", help="check that FILE is whole and can be served, and do nothing"
    )
    restore.add_argument(
        "--rebuild",
        action="store_true",
        help="index the videos anew, and leave the engine's own files in FILE alone",
    )
    restore.set_defaults(run=_restore)


def _snapshot(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    stop_at_signals()
    return asyncio.run(_snapshot_async(args, settings, console))


async def _snapshot_async(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    from ingest.backup.snapshot import take_snapshot  # noqa: PLC0415 - `--help` must not wait for the engine.

    began = monotonic()
    async with open_store(settings) as store:
        taken = await take_snapshot(store, args.file, replace=args.replace, console=console)
    counts = taken.manifest.counts
    console.print(
        f"Wrote {args.file}, {_megabytes(taken.size)}, in {duration(monotonic() - began)}: version "
        f"{taken.manifest.index_version} with {counts.videos} videos and {counts.passages} passages.",
        markup=False,
    )
    return ExitCode.DONE


def _restore(args: argparse.Namespace, settings: SearchSettings, console: Console) -> int:
    from ingest.backup.snapshot_file import opened_snapshot  # noqa: PLC0415 - as above.

    stop_at_signals()
    began = monotonic()
    with opened_snapshot(args.file) as snapshot:
        code = asyncio.run(_restore_async(args, settings, snapshot, console))
    console.print(f"Took {duration(monotonic() - began)}.")
    return code


async def _restore_async(
    args: argparse.Namespace, settings: SearchSettings, snapshot: "SnapshotFile", console: Console
) -> int:
    from ingest.backup.restore import check_snapshot, restore, takes_files  # noqa: PLC0415 - as above.

    tell = partial(console.print, markup=False)
    of = snapshot.snapshot
    tell(
        f"{args.file}, {_megabytes(snapshot.size)}, taken {timestamp(of.taken_at)}: version "
        f"{of.manifest.index_version} with {of.manifest.counts.videos} videos and "
        f"{of.manifest.counts.passages} passages."
    )
    model = _exported_model(settings.model_dir)
    if model is None:
        tell(f"There is no exported model in {settings.model_dir} to compare its model with.")
    stored = check_snapshot(snapshot, model, console)
    if args.dry_run:
        tell("The snapshot is whole. Nothing was changed: this was a dry run.")
        return ExitCode.DONE
    async with open_store(settings) as store, store.exclusive():
        if of.engine_files and store.file_format and not takes_files(snapshot, store):
            tell(
                f"Its files were written by {of.engine_files}, and here is {store.file_format}: its videos "
                "are indexed anew."
            )
        before = await readable_live(store)
        async with recording(store, [args.file], (), tell) as run:
            live = await restore(snapshot, stored, store, rebuild=args.rebuild, console=console)
            run.counts = {RESTORED: live.counts.videos}
            run.index_version = live.index_version
    kept = f" The version {before.index_version} is kept for a roll back." if before else ""
    tell(f"Live: version {live.index_version}, which is {of.manifest.index_version} restored.{kept}")
    return ExitCode.DONE


def _exported_model(folder: Path) -> ModelIdentity | None:
    """Say which model searches are served with here; None where none was exported yet.

    Raises ModelUnavailableError where there is one and it is damaged.
    """
    if not (folder / DESCRIPTION_FILE).exists():
        return None
    return read_exported_model(folder).identity


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
