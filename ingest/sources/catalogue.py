"""The whole catalogue: every source in turn, each row checked, each id once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from ingest.rows.row import DUPLICATE_ID, CheckedRow, Place, RowProblem, check_source_row
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.opening import open_source
from ingest.sources.youtube.channel import YouTube


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


def reject_duplicates(rows: Iterable[CheckedRow]) -> Iterator[CheckedRow]:
    """Pass rows on, turning each video whose id an earlier row had into a rejected row.

    Even an identical row is rejected: which of two rows is the right one is the user's to say, and a
    catalogue that names a video twice is worth a look. What else there was to tell about the row is
    dropped, so that counts of warnings and notes are counts of kept videos. Keeps each id and its place in
    memory.
    """
    first_seen: dict[str, Place] = {}
    for row in rows:
        if row.video is None:
            yield row
            continue
        first = first_seen.setdefault(row.video.video_id, row.place)
        if first is row.place:
            yield row
            continue
        problem = RowProblem(
            place=row.place,
            video_id=row.video.video_id,
            field="video_id",
            reason_code=DUPLICATE_ID,
            message=f"duplicate id, first seen at {first}; remove one of the two",
        )
        yield CheckedRow(row.place, None, (problem,), msgspec.to_builtins(row.video))
