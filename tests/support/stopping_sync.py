"""`python -m tests.support.stopping_sync STEP COMMAND...`: an ingest command that dies at one of its steps.

A step is a change to the index folder that Python makes: a file about to be opened for writing, one just
opened and still empty, a rename, a folder made or removed. The process ends right there, as if killed:
nothing is closed, flushed or cleaned up. The engine's own files and the copies of them are left out: one
is like another. A run of fewer steps goes through.
"""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest.__main__ import main

EXIT_CODE = 77

_CHANGES = frozenset({"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_ENGINES = frozenset({"videos", "passages"})


class Stopper:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, index_dir: Path, at: int) -> None:
        self._index_dir = index_dir
        self._at = at
        self._steps = 0

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count a change that is about to happen. An audit hook."""
        if event in _CHANGES and (event != "open" or arguments[2] & _WRITING):
            self._step(arguments[0])

    def after(self, real_open: Callable[..., Any]) -> Callable[..., Any]:
        """Return an `open` that counts a second step once the file is open."""

        def open_and_stop(file: Any, mode: str = "r", *others: Any, **named: Any) -> Any:
            opened = real_open(file, mode, *others, **named)
            if mode.strip("rbt"):
                self._step(file)
            return opened

        return open_and_stop

    def _step(self, path: object) -> None:
        if not isinstance(path, str | Path) or not Path(path).is_relative_to(self._index_dir):
            return
        if _ENGINES.isdisjoint(Path(path).parts):
            self._steps += 1
            if self._steps == self._at:
                os._exit(EXIT_CODE)


if __name__ == "__main__":
    stopper = Stopper(Path(os.environ["INDEX_DIR"]), int(sys.argv[1]))
    sys.addaudithook(stopper.audit)
    io.open = stopper.after(io.open)  # pathlib looks it up there.
    sys.exit(main(sys.argv[2:]))
