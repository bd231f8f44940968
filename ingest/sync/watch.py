"""`ingest watch`: runs a sync whenever the files of a folder have changed and settled.

A failed run is logged and retried, after a longer pause each time. Only a signal ends the watch.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ingest.errors import ExitCode
from ingest.rows.row import file_name
from ingest.sources.folders.watched import State, WatchedFolder, read_folder
from retrieval.catalogue.wording import duration

_SUCCESS: Final = frozenset({ExitCode.DONE, ExitCode.SOME_REJECTED})

FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds until a failed run is retried; the pause doubles with each failure."""

STOP_SECONDS = 20.0
"""The time a stopped run has for its cleanup; deploy/schedule gives the watch itself some more."""


class Watch:
    """Checks a folder repeatedly, and runs a sync if it differs from its state at the last successful run."""

    def __init__(
        self,
        folder: Path,
        run: Callable[[WatchedFolder], int],
        log: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._run = run
        self._log = log
        self._clock = clock
        self._seen: State | None = None
        self._synced: State | None = None
        self._failed: State | None = None
        self._pause = FIRST_PAUSE
        self._next_try = 0.0
        self._problem: str | None = None
        self._notices: tuple[str, ...] = ()

    def look(self) -> None:
        """Run if the folder differs from the last successful run and has not changed since the last look."""
        found = self._read()
        if found is None:
            self._seen = None
            return
        settled, self._seen = found.state == self._seen, found.state
        if settled and found.state != self._synced and not self._waits(found.state):
            self._sync(found)

    def _read(self) -> WatchedFolder | None:
        """Read the folder; None if there is nothing to sync. Log each problem once."""
        folder = file_name(self._folder)
        try:
            found = read_folder(self._folder)
        except OSError as e:
            self._log_problem(f"Cannot read {folder} ({e.strerror or e}). Waiting until it can be read.")
            return None
        self._log_notices(found)
        if not found.sources:
            self._log_problem(f"{folder} contains no readable source. Waiting for one.")
            return None
        self._log_problem(None)
        return found

    def _log_problem(self, problem: str | None) -> None:
        if problem and problem != self._problem:
            self._log(problem)
        elif self._problem and not problem:
            self._log(f"{file_name(self._folder)} now contains a readable source.")
        self._problem = problem

    def _log_notices(self, found: WatchedFolder) -> None:
        broken = [
            f"Skipping {link}: the link is broken. Until it is fixed, no video is removed."
            for link in found.passed_over
        ]
        notices = (*broken, *([found.notice] if found.notice else []))
        for notice in notices:
            if notice not in self._notices:
                self._log(notice)
        self._notices = notices

    def _waits(self, state: State) -> bool:
        """Return whether a run failed on this state and it is too early to retry."""
        return state == self._failed and self._clock() < self._next_try

    def _sync(self, found: WatchedFolder) -> None:
        try:
            code = self._run(found)
        except OSError as e:
            self._postpone(found.state, f"could not be started ({e})")
        else:
            if code in _SUCCESS:
                self._synced, self._failed = found.state, None
                self._log("Synced. Watching for changes.")
            else:
                self._postpone(found.state, _describe_exit(code))

    def _postpone(self, state: State, ending: str) -> None:
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if state == self._failed else FIRST_PAUSE
        # On a server, the run may have written before it failed, so the last synced state is synced again.
        self._synced, self._failed = None, state
        self._next_try = self._clock() + self._pause
        self._log(f"The run {ending}. Retrying in {duration(self._pause)}, or when the files change.")


def run_sync_process(sources: Sequence[Path], options: Sequence[str]) -> int:
    """Run one sync with this process's output, and return its exit code: -9 if signal 9 killed it.

    If this process is stopped, it stops the run too and waits for it. Raises OSError if the run cannot be
    started.
    """
    command = [sys.executable, "-m", "ingest", "sync", *options, "--", *map(str, sources)]
    process = subprocess.Popen(command)  # noqa: S603 - our own program.
    try:
        return process.wait()
    finally:
        stop_process(process)


def stop_process(process: "subprocess.Popen[bytes]", seconds: float = STOP_SECONDS) -> None:
    """Terminate a process, and kill it if it still runs after so many seconds."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        process.kill()
        process.wait()


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (", possibly because memory ran out" if name == "SIGKILL" else "")
