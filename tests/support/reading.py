"""Reads sources completely, and checks the guarantees of every source."""

from pathlib import Path

from ingest.errors import SourceError
from ingest.rows.row import CheckedRow, check_source_row
from ingest.sources.opening import open_source


def checked_rows(path: Path, *languages: str) -> list[CheckedRow]:
    """Read and check all rows; without languages, captions in English are preferred."""
    return [check_source_row(row) for row in open_source(path, languages=languages or ("en",)).rows()]


def read_source(path: Path) -> str:
    """Read all rows and return the result: "videos", "nothing", or the reason of a refusal.

    Fails where a refusal does not say where and why, or a cue is not what a cue is.
    """
    try:
        rows = checked_rows(path)
    except SourceError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.startswith(str(path)), refusal
        return "source refused"
    reasons = []
    for row in rows:
        rejected = [problem for problem in row.problems if problem.severity == "rejected"]
        assert (row.video is None) == bool(rejected), row
        assert all(str(problem).startswith(str(path)) and problem.message for problem in row.problems), row
        reasons += [problem.reason_code for problem in rejected]
        for cue in row.video.cues if row.video else ():
            assert 0 <= cue.start <= cue.end, row
            assert cue.text.strip(), row
    if any(row.video for row in rows):
        return "videos"
    return reasons[0] if reasons else "nothing"
