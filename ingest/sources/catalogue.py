"""The whole catalogue: the checked rows of all sources, without duplicate ids."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from ingest.rows.reasons import DUPLICATE_ID
from ingest.rows.row import CheckedRow, Place, RowProblem, check_source_row
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.opening import open_source
from ingest.sources.youtube.channel import YouTube


def read_catalogue(
    paths: Sequence[Path],
    *,
    languages: Sequence[str] = DEFAULT_LANGUAGES,
    youtube: YouTube | None = None,
) -> Iterator[CheckedRow]:
    """Open all sources, and return an iterator over their rows in the order of the paths.

    Opening reads only the columns of each source, so that a typo in the last path is reported before the
    first row. Memory holds a few hundred rows at a time. `languages` are the preferred languages of captions,
    the most preferred first. Channels are opened with `youtube`, which stays open for all readings of a run.

    Raises SourceError: at once for a source that cannot be opened; during the iteration for one that is
    damaged further on.
    """
    sources = [open_source(path, languages=languages, youtube=youtube) for path in paths]
    rows = chain.from_iterable(source.rows() for source in sources)
    return reject_duplicates(map(check_source_row, rows))


def reject_duplicates(rows: Iterable[CheckedRow]) -> Iterator[CheckedRow]:
    """Yield the rows, with each video whose id an earlier row had replaced by a rejected row.

    Identical rows are rejected too: the user decides which of two rows is right. The other problems of such a
    row are dropped, so that warnings and notes are counted for indexed videos only. All ids and their places
    are kept in memory.
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
            message=f"duplicate id, first used at {first}; remove one of the two",
        )
        yield CheckedRow(row.place, None, (problem,), msgspec.to_builtins(row.video))
