"""`python -m benchmarks`: runs benchmarks and prints each figure with its conditions, then a table."""

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
    """The results of one run."""

    machine: str
    versions: str
    options: Options
    benchmarks: dict[str, list[Figure]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all of them. Returns 1 if one failed."""
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
        figures = _run_here(name, options) if len(names) == 1 else _run_in_process(name, options)
        if figures is None:
            failed.append(name)
            continue
        run.benchmarks[name] = figures
        if len(names) == 1:
            _print_figures(figures, perf_counter() - began)
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    if not args.no_table:
        print()
        print_table([figure for figures in run.benchmarks.values() for figure in figures])
    for name in failed:
        print(f"{name} failed; see above")
    return 1 if failed else 0


def import_doc(name: str) -> str:
    """Return the docstring of a benchmark."""
    return (import_module(f"benchmarks.{name}").__doc__ or "").strip()


def _run_here(name: str, options: Options) -> list[Figure] | None:
    try:
        figures: list[Figure] = import_module(f"benchmarks.{name}").measure(options)
    except MissingDataError as e:
        return [skipped(name, str(e))]
    except Exception:  # noqa: BLE001 - the other benchmarks run even if one fails.
        traceback.print_exc()
        return None
    return figures


def _run_in_process(name: str, options: Options) -> list[Figure] | None:
    """Run one benchmark in its own process, without the threads and memory of the others."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks", name, "--no-table", "--json", str(found)]
        command += ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
        command += ["--repeats", str(options.repeats), "--talks", str(options.talks)]
        command += ["--larger", str(options.larger), *(["--all"] if options.everything else [])]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return None
        return msgspec.json.decode(found.read_bytes(), type=Run).benchmarks[name]


def _print_figures(figures: Sequence[Figure], seconds: float) -> None:
    for conditions, group in groupby(figures, key=lambda figure: figure.conditions):
        for figure in group:
            print(f"  {figure.what}: {figure.shown}")
        print(f"    ({conditions})" if conditions else "", flush=True)
    print(f"  took {seconds:.0f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    default = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the figures of the documentation. Run nothing else on the machine meanwhile.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which benchmarks to run: {', '.join(NAMES)} (all). soak (half an hour) runs only by name",
    )
    parser.add_argument("--all", action="store_true", help="also embed and ingest all of bitcoin.parquet")
    parser.add_argument(
        "--rounds", type=int, default=default.rounds, help="load: rounds per server (%(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=default.seconds,
        help="load: seconds per number of clients (%(default)s)",
    )
    parser.add_argument(
        "--repeats", type=int, default=default.repeats, help="startup: number of starts (%(default)s)"
    )
    parser.add_argument(
        "--talks", type=int, default=default.talks, help="ingest: number of talks, 0 for all (%(default)s)"
    )
    parser.add_argument(
        "--larger", type=int, default=default.larger, help="scale, snapshot: number of passages (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--no-table", action="store_true", help="do not print the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
