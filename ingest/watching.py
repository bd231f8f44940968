"""`ingest watch`: a sync whenever the files of a folder have changed and settled.

A run that fails is told and tried again at the next look; nothing ends the watching but whoever started it.
Each run is a process of its own, so that what it needs is given back and whatever happens to it stays there.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.sources.tables import TABLES

_USABLE = 1
"""The highest exit code of a run that made its index live, or had nothing to do."""

State = frozenset[tuple[str, int, int]]


class Watch:
    """Looks at a folder again and again, and runs when it is not as it was at the last good run."""

    def __init__(self, folder: Path, run: Callable[[list[Path]], int], tell: Callable[[str], None]) -> None:
        """Watch `folder` and call `run` with its sources, which returns the exit code of a sync."""
        self._folder = folder
        self._run = run
        self._tell = tell
        self._synced: State | None = None
        self._seen: State | None = None

    def look(self) -> None:
        """Run if what is there differs from the last good run and is as it was at the last look."""
        now = state_of(self._folder)
        settled, self._seen = now == self._seen, now
        if not settled or now == self._synced or not now:
            return
        code = self._run(sources_of(self._folder))
        if code <= _USABLE:
            self._synced = now
            self._tell("Synced. Watching for changes.")
        else:
            self._tell(f"The run ended with exit code {code}. It is tried again at the next look.")


def state_of(folder: Path) -> State:
    """Say which files there are, how long, and when they were last written; none if it cannot be read now."""
    try:
        files = [(path, path.stat()) for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return frozenset()
    return frozenset((path.name, stat.st_size, stat.st_mtime_ns) for path, stat in files)


def sources_of(folder: Path) -> list[Path]:
    """Say what of a folder is synced: its tables where it has any, else the folder, for its captions."""
    endings = tuple(TABLES)
    tables = sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(endings) and not path.name.startswith(".")
    )
    return tables or [folder]


def run_sync_process(sources: Sequence[Path], options: Sequence[str]) -> int:
    """Run one sync in a process of its own, on this one's output, and return its exit code."""
    command = [sys.executable, "-m", "ingest", "sync", *map(str, sources), *options]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own program.
