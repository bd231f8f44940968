"""Rows that gave no video, set aside with the reasons, so that they can be mended and brought in again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ingest.errors import IngestError
from ingest.rows import CheckedRow


class Quarantine:
    """A file of the last run's rejected rows, a JSON object a line: where, why, and what the row held."""

    def __init__(self, path: Path, file: TextIO) -> None:
        """Set rows aside in `file`, which becomes `path` at the end of the run."""
        self.path = path
        self.rows = 0
        self._file = file

    def set_aside(self, row: CheckedRow) -> None:
        """Write a rejected row; lone surrogates and the like stay as they were, escaped."""
        self.rows += 1
        reasons = [
            {"code": problem.reason_code, "field": problem.field, "message": problem.message}
            for problem in row.problems
            if problem.severity == "rejected"
        ]
        entry = {"place": str(row.place), "reasons": reasons, "row": row.raw}
        self._file.write(f"{json.dumps(entry, default=str)}\n")


@contextmanager
def quarantining(path: Path) -> Iterator[Quarantine]:
    """Set rows aside beside `path`, and put the file in its place at the end, or delete it where none was.

    Raises IngestError, before anything is done, where it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("w", encoding="utf-8")
    except OSError as e:
        raise IngestError(f"{unfinished} cannot be written: {e.strerror or e}. Nothing was done.") from e
    quarantine = Quarantine(path, file)
    try:
        with file:
            yield quarantine
        if quarantine.rows:
            unfinished.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        unfinished.unlink(missing_ok=True)
