"""`ingest watch`: syncs a folder until it is stopped."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.commands.signals import stop_at_signals
from ingest.commands.sync import check_paths
from ingest.errors import ExitCode, SourceError
from ingest.rows.row import file_name
from ingest.terminal import Terminal
from retrieval.settings import SearchSettings


def watch(
    args: argparse.Namespace,
    _: SearchSettings,
    console: Terminal,
    *,
    run: Callable[[Sequence[Path], Sequence[str]], int] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Sync a folder whenever its files have changed and settled; `run` syncs sources with options."""
    from ingest.sync.watch import Watch, run_sync_process  # noqa: PLC0415 - `--help` must not load it.

    run_sync = run or run_sync_process
    if not args.folder.is_dir():
        raise SourceError(f"{args.folder}: there is no such folder. Check the path")
    check_paths(args.report, [args.folder])
    stop_at_signals()
    show = console.print
    watch = Watch(
        args.folder,
        lambda found: run_sync(found.sources, sync_options(args, is_complete=not found.passed_over)),
        show,
    )
    show(f"Watching {file_name(args.folder)} every {args.every:g} s. Stop with Ctrl-C or SIGTERM.")
    if args.accept:
        show(f"Every run of this watch accepts {', '.join(args.accept)}, not only the next one.")
    try:
        while True:
            watch.look()
            sleep(args.every)
    except KeyboardInterrupt:
        return ExitCode.DONE


def sync_options(args: argparse.Namespace, *, is_complete: bool) -> Sequence[str]:
    """Return the options of the watch's syncs. If the folder is not complete, nothing is pruned."""
    given = {"--accept": args.accept, "--language": args.language, "--report": args.report}
    return [
        *(["--prune"] if args.prune and is_complete else []),
        # With "=", a value that begins with a dash is not read as an option.
        *(f"{option}={value}" for option, values in given.items() for value in values or ()),
        f"--device={args.device}",
    ]
