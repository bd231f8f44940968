"""The options of `python -m ingest` and its `--help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ingest.commands.backup import add_backup_commands
from ingest.commands.index import export_model, rollback, status
from ingest.commands.sync import sync
from ingest.commands.watch import watch
from ingest.planning.gate import Rule
from ingest.settings import SETTINGS
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.youtube.addresses import source_of
from retrieval.command_names import as_typed_here
from retrieval.declared_setting import describe_settings

_SECONDS_A_DAY = 86_400

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no other name.

_EPILOG = """\
Without a command, this help is shown.

examples:
  python -m ingest sync talks.parquet
  python -m ingest sync talks.csv captions/ --prune --report report.html --report report.json
  python -m ingest sync talks.jsonl --dry-run
  python -m ingest sync https://www.youtube.com/@handle --language de --language en
  python -m ingest watch uploads/ --every 60
  python -m ingest rollback
  python -m ingest snapshot /backup/talks.tar
  python -m ingest restore /backup/talks.tar

exit codes:
  0  success, or nothing to do
  1  success, but some rows were rejected; they are listed, and the other rows are live
  2  the command line is wrong
  3  a source or a snapshot cannot be read or is damaged; nothing was changed
  4  the run failed, was refused or crashed. The live index is unchanged; on a Qdrant server it contains the
     videos written so far, and the same command continues from there

environment:
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; the result's `run` is the command.

    Exits with 2 if it is wrong. If it is empty, prints the help and exits with 0.
    """
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    args = parser.parse_args(given or ["--help"])
    if getattr(args, "json", False) and not args.dry_run:
        parser.error("--json needs --dry-run")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=as_typed_here("python -m ingest"),
        description="Load a catalogue of videos into the search index.",
        epilog=as_typed_here(f"{_EPILOG}{describe_settings(SETTINGS, 'ingest')}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_sync(commands)
    _add_watch(commands)

    shown = commands.add_parser("status", help="show the live version, the previous one and the last runs")
    shown.set_defaults(run=status)

    back = commands.add_parser("rollback", help="make the previous version live again")
    back.set_defaults(run=rollback)

    add_backup_commands(commands)

    export = commands.add_parser("export-model", help="export the model that the API serves searches with")
    export.add_argument(
        "--model",
        metavar="FOLDER_OR_NAME",
        help="a sentence-transformers model (default: the pinned package)",
    )
    export.set_defaults(run=export_model)
    return parser


def _add_sync(commands: Commands) -> None:
    parser = commands.add_parser(
        "sync", parents=[_sync_options()], help="update the index so that it matches the sources"
    )
    parser.add_argument(
        "sources",
        nargs="+",
        type=source_of,
        metavar="SOURCE",
        help="a parquet, csv or jsonl file (also gzipped), a caption or Whisper file, a folder of caption "
        "files or of yt-dlp downloads, or a YouTube channel: its URL, youtube:CHANNEL_ID or "
        "youtube:@handle",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    parser.add_argument(
        "--json",
        action="store_true",
        help="with --dry-run: print the plan as JSON, and everything else to standard error",
    )
    parser.set_defaults(run=sync)


def _add_watch(commands: Commands) -> None:
    parser = commands.add_parser(
        "watch",
        parents=[_sync_options()],
        help="sync a folder each time its files have changed and settled",
        description="Sync a folder each time its files have changed and settled: its tables, and its "
        "captions as sync FOLDER reads them, with the videos.csv or .info.json files next to them. A run "
        "that fails or is refused is retried after a minute, then at growing intervals of up to an hour, and "
        "at once if the files change.",
        epilog="--accept applies to every run of the watch, so it also accepts later damage. To accept a "
        "single change, run sync with --accept by hand: the watch then finds nothing to do.",
    )
    parser.add_argument("folder", type=_folder, metavar="FOLDER", help="tables, caption files, or both")
    parser.add_argument(
        "--every",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="interval between checks (default: 60)",
    )
    parser.set_defaults(run=watch)


def _sync_options() -> argparse.ArgumentParser:
    """Return the options that `sync` and `watch` share."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--prune", action="store_true", help="delete videos that the sources no longer contain"
    )
    parser.add_argument(
        "--report",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="write a report of the run: an HTML page if FILE ends in .html, otherwise JSON with every row; "
        "repeatable",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        type=_rule,
        metavar="RULE",
        help=f"publish the run although it breaks this rule; repeatable. The rules: {', '.join(Rule)}",
    )
    parser.add_argument(
        "--language",
        action="append",
        metavar="LANG",
        help=f"caption language, the preferred one first; repeatable (default: {DEFAULT_LANGUAGES[0]})",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="device that embeds (default: cpu)"
    )
    return parser


def _folder(text: str) -> Path:
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is a URL; watch reads a folder on this machine")
    return Path(text)


def _rule(name: str) -> Rule:
    try:
        return Rule(name)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{name} is not a rule. The rules are {', '.join(Rule)}") from e


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _SECONDS_A_DAY:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0 and up to a day (86400)")
    return seconds
