"""`ingest watch`: looks at a folder until it is stopped."""

import argparse
import time

from rich.console import Console

from ingest.errors import SourceError
from ingest.exit_codes import ExitCode
from ingest.signals import stop_at_signals
from retrieval.settings import SearchSettings


def watch(args: argparse.Namespace, _: SearchSettings, console: Console) -> int:
    """Sync a folder whenever its files have changed and settled."""
    from ingest.watching import Watch, run_sync_process  # noqa: PLC0415 - as in `sync`.

    if not args.folder.is_dir():
        raise SourceError(f"{args.folder}: there is no such folder; check the path")
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
        return ExitCode.DONE
