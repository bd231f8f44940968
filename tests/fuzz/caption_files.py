"""`python -m tests.fuzz.caption_files`: read thousands of damaged files with each parser.

Prints for each parser how many files gave videos, were refused or raised an error, and the slowest one.
Returns 1 if a file raised an error or took so long that the parser cannot be linear.
"""

import argparse
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from tests.support.folders import passing_folder
from tests.support.mutations import NAMES, mutated_files, write_mutated
from tests.support.reading import read_source

MOST_SECONDS = 30.0
"""Processor time of one file, which is at most some 100 kB: far beyond linear work on any machine."""
MOST_MEMORY = 4 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the given parsers, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.caption_files")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--count", type=int, default=20_000, help="files for each parser (20000)")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder for the files that raised an error or were slow")
    args = parser.parse_args(arguments)
    # A parser that allocates more raises MemoryError instead of stopping other processes.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    print(f"seed {args.seed}, {args.count:,} files for each parser, at most {MOST_SECONDS:g} s of CPU each")
    bad = sum([_fuzz(name, args.count, args.seed, args.keep) for name in args.names])
    print(f"{bad} files raised an error or were too slow")
    return 1 if bad else 0


def _fuzz(name: str, count: int, seed: int, keep: Path | None) -> int:
    """Read the files of one parser; return how many raised an error or were too slow."""
    outcomes: Counter[str] = Counter()
    slowest, slowest_bytes, bad, since = 0.0, 0, 0, perf_counter()
    with passing_folder() as folder:
        for number, content in enumerate(mutated_files(name, count, seed=seed)):
            source = write_mutated(folder, name, content)
            start = process_time()
            try:
                outcome = read_source(source)
            except Exception as error:  # noqa: BLE001 - any error is a finding.
                outcome = f"ERROR: {type(error).__name__}: {error}"[:160]
            took = process_time() - start
            if took > slowest:
                slowest, slowest_bytes = took, len(content)
            outcomes[outcome] += 1
            if outcome.startswith("ERROR") or took > MOST_SECONDS:
                bad += 1
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{number}-{name}").write_bytes(content)
    print(
        f"{name:16} {count:7,} files, {outcomes['videos']:6,} with videos, {bad} bad, "
        f"slowest {slowest:.3f} s ({slowest_bytes:,} bytes), {perf_counter() - since:.0f} s in all; "
        + ", ".join(
            f"{outcome}: {found:,}" for outcome, found in outcomes.most_common() if outcome != "videos"
        ),
        flush=True,
    )
    return bad


if __name__ == "__main__":
    sys.exit(main())
