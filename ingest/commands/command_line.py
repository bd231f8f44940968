"""What `python -m ingest` understands, and what `--help` says."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ingest.commands.backup import add_backup_commands
from ingest.commands.index import export_model, rollback, status
from ingest.commands.sync import sync
from ingest.commands.watch import watch
from ingest.planning.gate import Rule
from ingest.sources.captions.choice import DEFAULT_LANGUAGES

_A_DAY = 86_400

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no other name.

_EPILOG = """\
examples:
  python -m ingest sync talks.parquet
  python -m ingest sync talks.csv captions/ --prune --report report.html --report report.json
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
  4  the run failed, was refused or crashed; the live index is as it was, or, on a Qdrant server, holds what
     was written so far: the same run again goes on from there

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


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line; `run` of what it returns is the command. Exits with 2 where it is wrong."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if getattr(args, "json", False) and not args.dry_run:
        parser.error("--json is for --dry-run")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Bring a catalogue of videos into the search index.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_sync(commands)
    _add_watch(commands)

    shown = commands.add_parser("status", help="show the live version, the one before and the last runs")
    shown.set_defaults(run=status)

    back = commands.add_parser("rollback", help="make the previous version live again")
    back.set_defaults(run=rollback)

    add_backup_commands(commands)

    export = commands.add_parser("export-model", help="export the model that searches are served with")
    export.add_argument(
        "--model", metavar="FOLDER_OR_NAME", help="a sentence-transformers model (the pinned package)"
    )
    export.set_defaults(run=export_model)
    return parser


def _add_sync(commands: Commands) -> None:
    parser = commands.add_parser(
        "sync", parents=[_of_every_sync()], help="make the index hold what the sources hold"
    )
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="parquet, csv or jsonl file (gzipped too), caption or Whisper file, a folder of those, bare or "
        "as yt-dlp leaves it, or youtube:CHANNEL_ID",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    parser.add_argument(
        "--json",
        action="store_true",
        help="with --dry-run: print the plan as JSON, and the rest as errors are",
    )
    parser.set_defaults(run=sync)


def _add_watch(commands: Commands) -> None:
    parser = commands.add_parser(
        "watch",
        parents=[_of_every_sync()],
        help="sync a folder whenever its files have changed and settled",
        description="Sync a folder whenever its files have changed and settled: its tables, and its captions "
        "as sync FOLDER reads them, with a videos.csv or a downloader's notes where those are beside them. A "
        "run that fails or is refused is tried again after a minute, then ever later up to an hour, and at "
        "once when the files change.",
        epilog="--accept holds for every run of the watch, so for rot that comes later too. To let one "
        "change through, run sync with --accept by hand: the watch then finds nothing to do.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="tables, caption files, or both")
    parser.add_argument(
        "--every", type=_seconds, default=60.0, metavar="SECONDS", help="how often to look (60)"
    )
    parser.set_defaults(run=watch)


def _of_every_sync() -> argparse.ArgumentParser:
    """Build what a sync understands, whether it is started by hand or by a watch."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--prune", action="store_true", help="delete what the sources no longer have")
    parser.add_argument(
        "--report",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="write what the run came to: a page where FILE ends in .html, else JSON with every row; may be "
        "repeated",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        type=_rule,
        metavar="RULE",
        help=f"let a run through although it breaks a rule: {', '.join(Rule)}",
    )
    parser.add_argument(
        "--language",
        action="append",
        metavar="LANG",
        help=f"which captions to take, the preferred first; may be repeated ({DEFAULT_LANGUAGES[0]})",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to embed (cpu)")
    return parser


def _rule(name: str) -> Rule:
    try:
        return Rule(name)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"there is no rule {name}; there are {', '.join(Rule)}") from e


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _A_DAY:
        raise argparse.ArgumentTypeError(
            f"{text} is to be a number of seconds, more than 0 and at most a day"
        )
    return seconds
