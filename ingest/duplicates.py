"""One id, one video: the first row that has it."""

from collections.abc import Iterable, Iterator

import msgspec

from ingest.rows import DUPLICATE_ID, CheckedRow, Place, RowProblem


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
