"""`python -m tests.support.stopping_sync STEP COMMAND...`: the batch job, dead as of one of its steps.

A step is a change to the index folder that Python makes: a file opened to be written, a rename, a folder made
or removed. The process ends right before it, as by a power cut: nothing is closed, flushed or cleaned up. The
engine's own files and the copies of them are left out, since one of them is like another. With STEP 0 the run
goes through, and its steps are printed at the end, one JSON array.
"""

import json
import os
import sys
from pathlib import Path

from ingest.__main__ import main

EXIT_CODE = 77

_CHANGES = frozenset({"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"})
_ENGINES = frozenset({"videos", "passages"})


class Stopper:
    """An audit hook that counts steps and ends the process at one."""

    def __init__(self, index_dir: Path, at: int) -> None:
        self._index_dir = index_dir
        self._at = at
        self.steps: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in _CHANGES or (event == "open" and not _writes(arguments)):
            return
        path = arguments[0]
        if not isinstance(path, str | Path) or not Path(path).is_relative_to(self._index_dir):
            return
        parts = Path(path).relative_to(self._index_dir).parts
        if _ENGINES.intersection(parts):
            return
        self.steps.append(" ".join([event, *parts[:1], *parts[2:]]))
        if len(self.steps) == self._at:
            os._exit(EXIT_CODE)


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


if __name__ == "__main__":
    stopper = Stopper(Path(os.environ["INDEX_DIR"]), int(sys.argv[1]))
    sys.addaudithook(stopper)
    code = main(sys.argv[2:])
    sys.stdout.write(json.dumps(stopper.steps))
    sys.exit(code)
