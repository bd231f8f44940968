"""`ingest watch`: a sync whenever the files of a folder have changed and settled.

A run that fails is told and tried again, later each time; nothing ends the watching but whoever started it.
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

_GOOD: Final = frozenset({ExitCode.DONE, ExitCode.SOME_REJECTED})
"""How a run ends that made its index live, or had nothing to do."""

FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds until a run that failed is tried again; each time twice as many as before."""


class Watch:
    """Looks at a folder again and again, and runs when it is not as it was at the last good run."""

    def __init__(
        self,
        folder: Path,
        run: Callable[[WatchedFolder], int],
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch `folder` and call `run` with what is there, which returns the exit code of a sync."""
        self._folder = folder
        self._run = run
        self._tell = tell
        self._clock = clock
        self._seen: State | None = None
        self._synced: State | None = None
        self._failed: State | None = None
        self._pause = FIRST_PAUSE
        self._next_try = 0.0
        self._trouble: str | None = None
        self._told: tuple[str, ...] = ()

    def look(self) -> None:
        """Run if what is there differs from the last good run and is as it was at the last look."""
        found = self._read()
        if found is None:
            self._seen = None
            return
        settled, self._seen = found.state == self._seen, found.state
        if settled and found.state != self._synced and not self._waits(found.state):
            self._sync(found)

    def _read(self) -> WatchedFolder | None:
        """Read the folder; None where there is nothing to sync. What is odd about it is told once."""
        folder = file_name(self._folder)
        try:
            found = read_folder(self._folder)
        except OSError as e:
            self._tell_trouble(f"{folder} cannot be read ({e.strerror or e}). It is waited for.")
            return None
        self._tell_of(found)
        if not found.sources:
            self._tell_trouble(
                f"There is nothing in {folder} that can be read as a source. It is waited for."
            )
            return None
        self._tell_trouble(None)
        return found

    def _tell_trouble(self, trouble: str | None) -> None:
        if trouble and trouble != self._trouble:
            self._tell(trouble)
        elif self._trouble and not trouble:
            self._tell(f"There is something to read in {file_name(self._folder)} now.")
        self._trouble = trouble

    def _tell_of(self, found: WatchedFolder) -> None:
        lost = [
            f"{link} is passed over: the link leads nowhere. Until that is mended, runs delete nothing."
            for link in found.passed_over
        ]
        notices = (*lost, *([found.notice] if found.notice else []))
        for notice in notices:
            if notice not in self._told:
                self._tell(notice)
        self._told = notices

    def _waits(self, state: State) -> bool:
        """Say whether a run failed on just this, and it is too early to try again."""
        return state == self._failed and self._clock() < self._next_try

    def _sync(self, found: WatchedFolder) -> None:
        try:
            code = self._run(found)
        except OSError as e:
            self._put_off(found.state, f"could not be started ({e})")
        else:
            if code in _GOOD:
                self._synced, self._failed = found.state, None
                self._tell("Synced. Watching for changes.")
            else:
                self._put_off(found.state, _ending(code))

    def _put_off(self, state: State, ending: str) -> None:
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if state == self._failed else FIRST_PAUSE
        # On a server it may have written before it failed, so what was synced before is to be looked at too.
        self._synced, self._failed = None, state
        self._next_try = self._clock() + self._pause
        self._tell(
            f"The run {ending}. It is tried again in {self._pause / 60:.0f} min, or once the files change."
        )


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (", as by a machine that is out of memory" if name == "SIGKILL" else "")


STOP_PATIENCE = 20.0
"""Seconds that a run has for its cleaning up; deploy/schedule gives the watch itself some more."""


def run_sync_process(sources: Sequence[Path], options: Sequence[str]) -> int:
    """Run one sync on this process's output, and return its exit code, -9 where signal 9 killed it.

    Where this process is told to stop, so is the run, and it is waited for. Raises OSError where it cannot
    be started.
    """
    command = [sys.executable, "-m", "ingest", "sync", *options, "--", *map(str, sources)]
    process = subprocess.Popen(command)  # noqa: S603 - our own program.
    try:
        return process.wait()
    finally:
        stop_process(process)


def stop_process(process: "subprocess.Popen[bytes]", patience: float = STOP_PATIENCE) -> None:
    """Tell a process to stop, and kill it where it still runs after `patience` seconds."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    finally:
        process.kill()
        process.wait()
