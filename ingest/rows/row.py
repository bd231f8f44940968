"""One catalogue row, checked: a video to index, or the reasons why there is none."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from ingest.rows.fields import (
    FieldError,
    Warn,
    is_absent,
    is_placeholder,
    read_address,
    read_caption_kind,
    read_cues,
    read_id,
    read_label,
    read_moment,
    read_seconds,
    read_tags,
    read_title,
    read_transcript,
)
from retrieval.catalogue.video import Video

REQUIRED_COLUMNS: Final = ("video_id", "title")

_OPTIONAL: Final[tuple[tuple[str, str, Callable[[Any, Warn], Any]], ...]] = (
    # The field of the video, the column it is read from, its reader. A later column of the same field is
    # looked at only where the earlier ones are empty: `datetime` is the tutorial's name.
    ("published_at", "published_at", read_moment),
    ("published_at", "datetime", read_moment),
    ("url", "url", read_address),
    ("channel", "channel", read_label),
    ("language", "language", read_label),
    ("duration", "duration", read_seconds),
    ("thumbnail_url", "thumbnail_url", read_address),
    ("caption_kind", "caption_kind", read_caption_kind),
    ("tags", "tags", read_tags),
    ("cues", "cues", read_cues),
    ("transcript", "transcript", read_transcript),
)

COLUMNS: Final = (*REQUIRED_COLUMNS, *(column for _, column, _ in _OPTIONAL))
"""Every column that is read; a source need not hand over others."""

DUPLICATE_ID: Final = "duplicate-id"
PLACEHOLDER_TRANSCRIPT: Final = "placeholder-transcript"

FETCH_FAILED: Final = "fetch-failed"
"""The reason of a row that its source could not give this time: the index keeps what it holds of it."""

Severity = Literal["rejected", "warning", "note"]


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a row stands: its file, and its number from 1 (the file's line in jsonl and csv).

    `row` is None where the whole file is the row, as a caption file is.
    """

    file: str
    row: int | None = None
    unit: Literal["row", "line"] = "row"

    def __str__(self) -> str:
        """Return the place as a message names it."""
        return self.file if self.row is None else f"{self.file}, {self.unit} {self.row}"


def file_name(path: Path) -> str:
    """Return a path as text that can be printed and stored, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="replace")


class RowProblem(msgspec.Struct, frozen=True):
    """Something to tell about one row; `str()` of it is the whole sentence.

    `rejected`: the row gives no video. `warning`: the video is kept, without what is wrong or with it
    repaired. `note`: nothing is wrong, but it is worth counting (a video without a transcript).
    `reason_code` is stable, for counting; `message` says what is wrong and what to do.
    """

    place: Place
    video_id: str | None
    field: str | None
    reason_code: str
    message: str
    severity: Severity = "rejected"

    def __str__(self) -> str:
        """Return where it is, in which field, and what."""
        where = f"{self.place}, field {self.field}" if self.field else str(self.place)
        return f"{where}: {self.message}"


class RawRow(msgspec.Struct, frozen=True):
    """A row as its source gave it; `values` is None where one of `problems` says why it is no row."""

    place: Place
    values: Mapping[str, Any] | None
    problems: tuple[RowProblem, ...] = ()


class CheckedRow(msgspec.Struct, frozen=True):
    """The outcome of one row. `video` is None exactly where one of `problems` is `rejected`.

    `raw` is what a rejected row held, as far as it could be read.
    """

    place: Place
    video: Video | None
    problems: tuple[RowProblem, ...] = ()
    raw: Mapping[str, Any] | None = None


def check_row(raw: Mapping[str, Any], *, place: Place) -> CheckedRow:
    """Turn a raw row into a video; never raises, whatever the values are.

    Without a usable `video_id` and `title` the row is rejected. Anything else that is wrong costs the
    video that field only, and is a warning. Columns that are not the catalogue's are ignored.
    """
    cells = _Cells(raw, place)
    cells.video_id = cells.read("video_id", read_id, required=True)
    title = cells.read("title", read_title, required=True)
    if cells.video_id is None or title is None:
        return CheckedRow(place, None, tuple(cells.problems))
    fields: dict[str, Any] = {}
    for field, column, reader in _OPTIONAL:
        if field not in fields and (value := cells.read(column, reader)) is not None:
            fields[field] = value
    texts = (fields.get("transcript"), " ".join(cue.text for cue in fields.get("cues", ())) or None)
    given = [text for text in texts if text]
    spoken = [text for text in given if not is_placeholder(text)]
    fields["transcript"] = spoken[0] if spoken else None
    if not spoken:
        fields["cues"] = ()
        code = PLACEHOLDER_TRANSCRIPT if given else "no-transcript"
        cells.tell("transcript", code, "there is none; its title alone finds the video", "note")
    return CheckedRow(place, Video(video_id=cells.video_id, title=title, **fields), tuple(cells.problems))


class _Cells:
    """One raw row while it is read, and what there is to tell about it so far."""

    def __init__(self, raw: Mapping[str, Any], place: Place) -> None:
        self._raw = raw
        self._place = place
        self.video_id: str | None = None
        self.problems: list[RowProblem] = []

    def tell(self, column: str, code: str, message: str, severity: Severity) -> None:
        self.problems.append(RowProblem(self._place, self.video_id, column, code, message, severity))

    def read(self, column: str, reader: Callable[[Any, Warn], Any], *, required: bool = False) -> Any:
        """Return the column's value, or None where absent or bad; if required, the row is then rejected."""
        value = self._raw.get(column)
        if is_absent(value):
            if required:
                self.tell(column, "missing", f"is empty; give every video a {column}", "rejected")
            return None
        try:
            return reader(value, lambda code, message: self.tell(column, code, message, "warning"))
        except FieldError as error:
            self.tell(column, error.code, str(error), "rejected" if required else "warning")
            return None


def check_source_row(raw: RawRow) -> CheckedRow:
    """Check what a source handed over, keeping the problems it already found."""
    if raw.values is None:
        return CheckedRow(raw.place, None, raw.problems)
    checked = check_row(raw.values, place=raw.place)
    rejected = raw.values if checked.video is None else None
    return CheckedRow(checked.place, checked.video, raw.problems + checked.problems, rejected)
