"""`python -m tests.fuzz.openapi`: Schemathesis with all checks on a running service.

The service is a real process with the exported model and the index of the integration tests. The operations
are divided between two runs, because generating requests takes longer than answering them. A third run
follows the links between operations. Returns 1 if a run found a fault.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from time import perf_counter

import msgspec

from retrieval.settings import DATA_DIR
from tests.integration.conftest import ROWS
from tests.support.documents import write_jsonl
from tests.support.folders import passing_folder
from tests.support.processes import REPOSITORY, Ingest, running_api

CHECKS_OF_OURS = "tests.fuzz.schemathesis_checks"
REPLACED = "positive_data_acceptance"
"""The excluded check: that the service accepts everything that the schema allows.

A schema cannot express that offset and limit together are at most 200, that one date is before another,
which cursors were issued, or which text is blank. Our own check replaces it: a request that the schema
allows may be refused for one of these reasons only.
"""
DEAREST = ("search", "searchBatch", "searchClassic")
"""These operations take about half of the time; those with the most parameters come first."""

LONGEST_SECONDS = 3600
_COUNTED = re.compile(r"(\d+) generated")


class Run(msgspec.Struct, frozen=True):
    """One run of Schemathesis: its name, its options, and its examples per operation."""

    name: str
    options: tuple[str, ...]
    examples: int


class Outcome(msgspec.Struct, frozen=True):
    """The result of a run: whether it passed, the number of requests, and its output."""

    name: str
    passed: bool
    requests: int
    said: str
    seconds: float


def plan(examples: int, scenarios: int) -> tuple[Run, ...]:
    """Return the runs of a complete fuzz."""
    generated = ("--phases", "examples,coverage,fuzzing")
    dearest = [word for operation in DEAREST for word in ("--include-operation-id", operation)]
    others = [word for operation in DEAREST for word in ("--exclude-operation-id", operation)]
    return (
        Run("searches", (*generated, *dearest), examples),
        Run("everything else", (*generated, *others), examples),
        Run("stateful", ("--phases", "stateful"), scenarios),
    )


def fuzz(address: str, folder: Path, run: Run, *, seed: int) -> Outcome:
    """Run Schemathesis; its files go into `folder`."""
    began = perf_counter()
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/schema/openapi.json"),
            *("--checks", "all", "--exclude-checks", REPLACED, "--no-color"),
            *("--continue-on-failure", "--max-examples", str(run.examples), "--seed", str(seed)),
            *run.options,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "SCHEMATHESIS_HOOKS": CHECKS_OF_OURS},
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_SECONDS,
    )
    counted = _COUNTED.search(finished.stdout)
    return Outcome(
        run.name,
        finished.returncode == 0,
        int(counted[1]) if counted else 0,
        finished.stdout,
        perf_counter() - began,
    )


def fuzz_all(address: str, folder: Path, *, examples: int, scenarios: int, seed: int) -> Iterator[Outcome]:
    """Execute every run of the plan, two at a time, and yield each result as it ends."""
    folders = [folder / str(number) for number in range(3)]
    for own in folders:
        own.mkdir()
    with ThreadPoolExecutor(2) as pool:
        runs = zip(folders, plan(examples, scenarios), strict=True)
        jobs = [pool.submit(fuzz, address, own, run, seed=seed) for own, run in runs]
        yield from (job.result() for job in as_completed(jobs))


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a service, fuzz it, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.openapi")
    parser.add_argument("--examples", type=int, default=2_000, help="an operation (2000)")
    parser.add_argument("--scenarios", type=int, default=2_000, help="paths along the links (2000)")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args(arguments)
    with passing_folder() as folder:
        ingest = Ingest(folder / "index", (REPOSITORY / DATA_DIR / "model").resolve())
        ingest.done("sync", write_jsonl(folder / "talks.jsonl", ROWS))
        with running_api(ingest.index_dir, ingest.model_dir, LOG_LEVEL="warning") as api:
            faults = 0
            for outcome in fuzz_all(
                api.address, folder, examples=args.examples, scenarios=args.scenarios, seed=args.seed
            ):
                faults += not outcome.passed
                verdict = "nothing found" if outcome.passed else f"FAULTS FOUND\n{outcome.said}"
                told = f"{outcome.name}: {outcome.requests:,} requests in {outcome.seconds:.0f} s, {verdict}"
                print(told, flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
