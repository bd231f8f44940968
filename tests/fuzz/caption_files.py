"""`python -m tests.fuzz.caption_files`: thousands of damaged files a parser, and what becomes of them.

Prints for each parser how many gave videos, how many were refused, how many broke off, and the slowest.
Returns 1 where a file broke off or took longer than it may.
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

MOST_SECONDS = 2.0
MOST_MEMORY = 4 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parsers named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.caption_files")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--count", type=int, default=20_000, help="files a parser (20000)")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="where to put the files that broke off or were slow")
    args = parser.parse_args(arguments)
    # A parser that asks for more is one that breaks off, and not the machine's other work.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    print(f"seed {args.seed}, {args.count:,} files a parser, none over {MOST_SECONDS:g} s of CPU")
    bad = sum([_fuzz(name, args.count, args.seed, args.keep) for name in args.names])
    print(f"{bad} files broke off or were too slow")
    return 1 if bad else 0


def _fuzz(name: str, count: int, seed: int, keep: Path | None) -> int:
    """Read the files of one parser and return how many broke off or were too slow."""
    outcomes: Counter[str] = Counter()
    slowest, slowest_bytes, bad, since = 0.0, 0, 0, perf_counter()
    with passing_folder() as folder:
        for number, content in enumerate(mutated_files(name, count, seed=seed)):
            source = write_mutated(folder, name, content)
            start = process_time()
            try:
                outcome = read_source(source)
            except Exception as error:  # noqa: BLE001 - what breaks off is what is looked for.
                outcome = f"BROKE OFF: {type(error).__name__}: {error}"[:160]
            took = process_time() - start
            if took > slowest:
                slowest, slowest_bytes = took, len(content)
            outcomes[outcome] += 1
            if outcome.startswith("BROKE OFF") or took > MOST_SECONDS:
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
