"""Rows that gave no video, set aside with the reasons, so that they can be mended and brought in again.

The file holds the rejected rows of the last run that had any, however that run ended. A run that goes through
without any deletes it, if the run read all the sources that those rows are of.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ingest.errors import IngestError
from ingest.rows.row import CheckedRow, file_name
from ingest.sources.youtube.channel import PREFIX


class Quarantine:
    """A file of a run's rejected rows, a JSON object a line: the run's sources, where, why, what it held."""

    def __init__(self, path: Path, file: TextIO, sources: Sequence[Path] = ()) -> None:
        """Set rows of `sources` aside in `file`, which becomes `path` at the end of the run."""
        self.path = path
        self.rows = 0
        self.is_whole = True
        self.sources = _whole_names(sources)
        self._file = file

    def set_aside(self, row: CheckedRow) -> None:
        """Write a rejected row; lone surrogates and the like stay as they were, escaped."""
        self.rows += 1
        reasons = [
            {"code": problem.reason_code, "field": problem.field, "message": problem.message}
            for problem in row.problems
            if problem.severity == "rejected"
        ]
        entry = {"sources": self.sources, "place": str(row.place), "reasons": reasons, "row": row.raw}
        try:
            self._file.write(f"{json.dumps(entry, default=str)}\n")
        except OSError:
            self.is_whole = False  # What it did not take is gone, and closing it would not tell.
            raise


@contextmanager
def quarantining(path: Path, sources: Sequence[Path]) -> Iterator[Quarantine]:
    """Set rows of `sources` aside beside `path`, and put the file in its place however the run ends.

    Raises IngestError, before anything is done, where it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("w", encoding="utf-8")
    except OSError as e:
        raise IngestError(f"{unfinished} cannot be written: {e.strerror or e}. Nothing was done.") from e
    quarantine = Quarantine(path, file, sources)
    try:
        try:
            yield quarantine
        except BaseException:
            with suppress(OSError):  # What the run ended by is told, and not this too.
                file.close()
                _put(quarantine, unfinished)
            raise
        file.close()
        if not quarantine.rows and _sources_of(path) <= set(quarantine.sources):
            path.unlink(missing_ok=True)
        _put(quarantine, unfinished)
    finally:
        with suppress(OSError):  # What could not be written before cannot be now, and is deleted.
            file.close()
        unfinished.unlink(missing_ok=True)


def _put(quarantine: Quarantine, unfinished: Path) -> None:
    if quarantine.rows and quarantine.is_whole:
        unfinished.replace(quarantine.path)


def _sources_of(path: Path) -> set[str]:
    """Say of which sources the rows of a file are; of none where it does not say, as older ones do not."""
    try:
        with path.open(encoding="utf-8") as file:
            return set(json.loads(file.readline())["sources"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _whole_names(sources: Iterable[Path]) -> list[str]:
    """Name sources so that they are told apart from wherever a run is started."""
    return [file_name(source if str(source).startswith(PREFIX) else source.absolute()) for source in sources]
