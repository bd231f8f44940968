"""`ingest snapshot` and `ingest restore`."""

import argparse
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ingest.commands.index import readable_live
from ingest.commands.signals import stop_at_signals
from ingest.errors import ExitCode
from ingest.reports.account import RunAccount, RunRequest
from ingest.reports.recording import recording
from ingest.rows.row import file_name
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import Manifest, ModelIdentity
from retrieval.catalogue.wording import counted, duration, timestamp
from retrieval.opening import open_store
from retrieval.settings import SearchSettings
from retrieval.text.exported_model import DESCRIPTION_FILE, read_exported_model

if TYPE_CHECKING:  # `--help` must not load it.
    from ingest.backup.snapshot_file import SnapshotFile


def add_backup_commands(commands: Any) -> None:
    """Add both commands to the command line."""
    snapshot = commands.add_parser("snapshot", help="write the live version to one file, as a backup")
    snapshot.add_argument("file", type=Path, metavar="FILE", help="the file to write, a tar archive")
    snapshot.add_argument(
        "--replace", action="store_true", help="replace an existing FILE once the new one is complete"
    )
    snapshot.set_defaults(run=_snapshot)

    restore = commands.add_parser("restore", help="make the contents of a snapshot the live version")
    restore.add_argument("file", type=Path, metavar="FILE", help="a file that ingest snapshot wrote")
    restore.add_argument(
        "--dry-run",
        action="store_true",
        help="only check that FILE is complete and can be served; change nothing",
    )
    restore.add_argument(
        "--rebuild",
        action="store_true",
        help="index the videos again instead of using the engine's own files in FILE",
    )
    restore.set_defaults(run=_restore)


async def _snapshot(args: argparse.Namespace, settings: SearchSettings, console: Terminal) -> int:
    stop_at_signals()
    from ingest.backup.snapshot import take_snapshot  # noqa: PLC0415 - `--help` must not load the engine.

    began = monotonic()
    async with open_store(settings) as store:
        taken = await take_snapshot(store, args.file, replace=args.replace, console=console)
    console.print(
        f"Wrote {args.file}, {_megabytes(taken.size)}, in {duration(monotonic() - began)}: "
        f"{_describe(taken.manifest)}.",
    )
    return ExitCode.DONE


async def _restore(args: argparse.Namespace, settings: SearchSettings, console: Terminal) -> int:
    from ingest.backup.snapshot_file import opened_snapshot  # noqa: PLC0415 - as above.

    stop_at_signals()
    began = monotonic()
    with opened_snapshot(args.file) as snapshot:
        code = await _restore_opened(args, settings, snapshot, console)
    console.print(f"Took {duration(monotonic() - began)}.")
    return code


async def _restore_opened(
    args: argparse.Namespace, settings: SearchSettings, snapshot: "SnapshotFile", console: Terminal
) -> int:
    from ingest.backup.restore import check_snapshot, restore, takes_files  # noqa: PLC0415 - as above.

    show = console.print
    contents = snapshot.snapshot
    show(
        f"{args.file}, {_megabytes(snapshot.size)}, taken {timestamp(contents.taken_at)}: "
        f"{_describe(contents.manifest)}."
    )
    model = _exported_model(settings.model_dir)
    if model is None:
        show(f"The model of the snapshot was not checked: {settings.model_dir} contains no exported model.")
    stored = check_snapshot(snapshot, model, console)
    if args.dry_run:
        show("The snapshot is complete. Nothing was changed: this was a dry run.")
        return ExitCode.DONE
    account = RunAccount(RunRequest((file_name(args.file),)))
    async with open_store(settings) as store, store.exclusive():
        if contents.engine_files and store.file_format and not takes_files(snapshot, store):
            show(
                f"The snapshot contains files of {contents.engine_files}, but this index uses "
                f"{store.file_format}. The videos will be indexed again."
            )
        before = await readable_live(store)
        async with recording(store, account, show):
            live = await restore(snapshot, stored, store, rebuild=args.rebuild, console=console)
            account.published, account.restored = live, live.counts.videos
    kept = f" Version {before.index_version} is kept for rollback." if before else ""
    show(f"Live: version {live.index_version}, restored from {contents.manifest.index_version}.{kept}")
    return ExitCode.DONE


def _exported_model(folder: Path) -> ModelIdentity | None:
    """Return the identity of the model that serves searches here; None if none was exported yet.

    Raises ModelUnavailableError if it is damaged.
    """
    if not (folder / DESCRIPTION_FILE).exists():
        return None
    return read_exported_model(folder).identity


def _describe(manifest: Manifest) -> str:
    counts = manifest.counts
    return (
        f"version {manifest.index_version} with {counted(counts.videos, 'video')} and "
        f"{counted(counts.passages, 'passage')}"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
