"""`python -m benchmarks`: measures, prints each figure with its conditions, and a closing table."""

import argparse
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.conditions import ROOT, Options, machine, versions
from benchmarks.figures import Figure, MissingDataError, print_table, skipped

NAMES = (
    "embeddings",
    "classic",
    "quality",
    "startup",
    "load",
    "recall",
    "scale",
    "snapshot",
    "outages",
    "overload",
    "switches",
    "page",
    "ingest",
)


class Run(msgspec.Struct, frozen=True):
    """All that one run reports."""

    machine: str
    versions: str
    options: Options
    benchmarks: dict[str, list[Figure]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks named, or all, and return 1 where one broke off."""
    args = _parser().parse_args(arguments)
    options = Options(
        everything=args.all,
        rounds=args.rounds,
        seconds=args.seconds,
        repeats=args.repeats,
        talks=args.talks,
        larger=args.larger,
    )
    names = args.names or NAMES
    run = Run(machine(), versions(), options, {})
    print(f"{run.machine}\n{run.versions}\n", flush=True)
    failed = []
    for name in names:
        print(f"{name}: {import_doc(name)}" if len(names) == 1 else "", flush=True)
        began = perf_counter()
        figures = _here(name, options) if len(names) == 1 else _apart(name, options)
        if figures is None:
            failed.append(name)
            continue
        run.benchmarks[name] = figures
        if len(names) == 1:
            _tell(figures, perf_counter() - began)
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    if not args.no_table:
        print()
        print_table([figure for figures in run.benchmarks.values() for figure in figures])
    for name in failed:
        print(f"{name} broke off; see above")
    return 1 if failed else 0


def import_doc(name: str) -> str:
    """Say what a benchmark measures."""
    return (import_module(f"benchmarks.{name}").__doc__ or "").strip()


def _here(name: str, options: Options) -> list[Figure] | None:
    try:
        figures: list[Figure] = import_module(f"benchmarks.{name}").measure(options)
    except MissingDataError as e:
        return [skipped(name, str(e))]
    except Exception:  # noqa: BLE001 - one benchmark that breaks off must not take the others along.
        traceback.print_exc()
        return None
    return figures


def _apart(name: str, options: Options) -> list[Figure] | None:
    """Run one benchmark in a process of its own: none runs beside another's threads and memory."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks", name, "--no-table", "--json", str(found)]
        command += ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
        command += ["--repeats", str(options.repeats), "--talks", str(options.talks)]
        command += ["--larger", str(options.larger), *(["--all"] if options.everything else [])]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return None
        return msgspec.json.decode(found.read_bytes(), type=Run).benchmarks[name]


def _tell(figures: Sequence[Figure], seconds: float) -> None:
    for conditions, alike in groupby(figures, key=lambda figure: figure.conditions):
        for figure in alike:
            print(f"  {figure.what}: {figure.shown}")
        print(f"    ({conditions})" if conditions else "", flush=True)
    print(f"  took {seconds:.0f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    default = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures what the README states. Nothing else should run on the machine meanwhile.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which: {', '.join(NAMES)} (all); soak, half an hour, only by name",
    )
    parser.add_argument(
        "--all", action="store_true", help="embed all of bitcoin.parquet too, and ingest it all"
    )
    parser.add_argument(
        "--rounds", type=int, default=default.rounds, help="load: rounds a server (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=default.seconds, help="load: a level (%(default)s)")
    parser.add_argument("--repeats", type=int, default=default.repeats, help="startup: starts (%(default)s)")
    parser.add_argument(
        "--talks", type=int, default=default.talks, help="ingest: talks, 0 for all (%(default)s)"
    )
    parser.add_argument(
        "--larger", type=int, default=default.larger, help="scale, snapshot: passages (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--no-table", action="store_true", help="leave out the closing table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
