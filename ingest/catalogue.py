"""The whole catalogue: every source in turn, each row checked, each id once."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from ingest.duplicates import reject_duplicates
from ingest.rows import CheckedRow, check_source_row
from ingest.sources.caption_choice import DEFAULT_LANGUAGES
from ingest.sources.opening import open_source
from ingest.sources.youtube import YouTube


def read_catalogue(
    paths: Sequence[Path],
    *,
    languages: Sequence[str] = DEFAULT_LANGUAGES,
    youtube: YouTube | None = None,
) -> Iterator[CheckedRow]:
    """Open every source now, and return the rows, which are read as they are asked for.

    Opening looks at each source's shape only, so a typo in the last path is told before the first row.
    The rows of one path follow those of the one before; memory holds a few hundred at a time. `languages`
    are the captions to read where a video has several, the most wanted first. Channels are opened with
    `youtube`, which a run keeps open over all its readings.

    Raises SourceError: at once for a source that cannot be opened; while the rows are read for one that
    turns out to be damaged further in.
    """
    sources = [open_source(path, languages=languages, youtube=youtube) for path in paths]
    rows = chain.from_iterable(source.rows() for source in sources)
    return reject_duplicates(map(check_source_row, rows))
