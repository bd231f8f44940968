"""The check of one catalogue row: the result is a video to index, or the reasons for its rejection."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from ingest.rows.fields import (
    FieldError,
    Warn,
    is_absent,
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
from ingest.rows.media import read_media
from ingest.rows.reasons import MISSING, NO_TRANSCRIPT, PLACEHOLDER_TRANSCRIPT
from retrieval.catalogue.video import NO_TRANSCRIPT_TEXT, Cue, Video

REQUIRED_COLUMNS: Final = ("video_id", "title")

_OPTIONAL: Final[tuple[tuple[str, str, Callable[[Any, Warn], Any]], ...]] = (
    # The field of the video, the column it is read from, its reader. A later column of the same field is
    # read only if the earlier ones are empty. `datetime` is the tutorial's name.
    ("published_at", "published_at", read_moment),
    ("published_at", "datetime", read_moment),
    ("url", "url", read_address),
    ("media", "media", read_media),
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
"""All columns that are read; a source may leave out others."""

_LONGEST_PLACEHOLDER: Final = 10_000
_LONGEST_FAILURE: Final = 1_000
_UNSPOKEN: Final = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[♪♫]")
_NOTHING: Final = frozenset(
    {"", NO_TRANSCRIPT_TEXT, "na", "null", "none", "nan", "undefined", "no transcript", "not available"}
)

_FAILURE: Final = re.compile(
    r"""could\ not\ (?:retrieve|fetch|get|find)\ (?:a\ |the\ |any\ )?(?:transcripts?|captions|subtitles)
      | (?:transcripts?|captions|subtitles)\ (?:is|are)\ (?:disabled|not\ available|unavailable)
      | no\ (?:transcripts?|captions|subtitles)\ (?:was\ |were\ |is\ |are\ )?(?:found|available)
      | (?:this\ )?video\ (?:is\ )?(?:unavailable|private|no\ longer\ available)
      | (?:please\ )?enable\ (?:javascript|cookies)
      | checking\ your\ browser | access\ denied | too\ many\ requests | request\ blocked
      | (?:http\ |error\ |http\ error\ )+[45]\d\d\b
      | traceback\ \(most\ recent\ call\ last\)
      | <!doctype | <html | \{\s*"error"
    """,
    re.VERBOSE,
)
"""The beginnings of error texts that programs store in place of a transcript."""

Severity = Literal["rejected", "warning", "note"]


class Place(msgspec.Struct, frozen=True, gc=False):
    """The place of a row: its file, and its number from 1 (in jsonl and csv: the line of the file).

    `row` is None if the whole file is one row, as a caption file is.
    """

    file: str
    row: int | None = None
    unit: Literal["row", "line"] = "row"

    def __str__(self) -> str:
        """Return the place as messages show it."""
        return self.file if self.row is None else f"{self.file}, {self.unit} {self.row}"


def file_name(path: Path) -> str:
    """Return a path as text that can be printed and stored; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode(errors="replace")


class RowProblem(msgspec.Struct, frozen=True):
    """A problem of one row; `str()` gives the complete sentence.

    `rejected`: the row gives no video. `warning`: the video is indexed, and the wrong value was left out or
    repaired. `note`: nothing is wrong, but the case is counted (a video without a transcript).
    `reason_code` is stable, for counting; `message` states what is wrong and what to do.
    """

    place: Place
    video_id: str | None
    field: str | None
    reason_code: str
    message: str
    severity: Severity = "rejected"

    def __str__(self) -> str:
        """Return the place, the field and the message."""
        where = f"{self.place}, field {self.field}" if self.field else str(self.place)
        return f"{where}: {self.message}"


class RawRow(msgspec.Struct, frozen=True):
    """A row as its source gave it. `values` is None if the row is rejected, for a reason in `problems`.

    `cues` are those of a caption file or of YouTube, valid and typed; they replace a column `cues`.
    """

    place: Place
    values: Mapping[str, Any] | None
    problems: tuple[RowProblem, ...] = ()
    cues: tuple[Cue, ...] = ()


class CheckedRow(msgspec.Struct, frozen=True):
    """The result of checking one row. `video` is None if and only if one of `problems` is `rejected`.

    `raw` holds the values of a rejected row, as far as they could be read.
    """

    place: Place
    video: Video | None
    problems: tuple[RowProblem, ...] = ()
    raw: Mapping[str, Any] | None = None


def rejected_row(place: Place, code: str, message: str, *, video_id: str | None = None) -> RawRow:
    """Return a row that is rejected by its source."""
    return RawRow(place, None, (RowProblem(place, video_id, None, code, message),))


def check_row(raw: Mapping[str, Any], *, place: Place, cues: tuple[Cue, ...] = ()) -> CheckedRow:
    """Convert a raw row to a video. Never raises, for any values.

    Without a usable `video_id` and `title` the row is rejected. Any other invalid value is left out, with a
    warning. Unknown columns are ignored. `cues` are typed ones, which are used instead of the column.
    """
    cells = _Cells(raw, place)
    cells.video_id = cells.read("video_id", read_id, required=True)
    title = cells.read("title", read_title, required=True)
    if cells.video_id is None or title is None:
        return CheckedRow(place, None, tuple(cells.problems))
    fields: dict[str, Any] = {"cues": cues} if cues else {}
    for field, column, reader in _OPTIONAL:
        if field not in fields and (value := cells.read(column, reader)) is not None:
            fields[field] = value
    texts = (fields.get("transcript"), " ".join(cue.text for cue in fields.get("cues", ())) or None)
    given = [text for text in texts if text]
    spoken = [text for text in given if not is_placeholder(text)]
    fields["transcript"] = spoken[0] if spoken else None
    if not spoken:
        fields["cues"] = ()
        code = PLACEHOLDER_TRANSCRIPT if given else NO_TRANSCRIPT
        cells.add("transcript", code, "is missing; searches find this video by its title only", "note")
    return CheckedRow(place, Video(video_id=cells.video_id, title=title, **fields), tuple(cells.problems))


def is_placeholder(transcript: str) -> bool:
    """Whether a text is no transcript: "n/a", an error message, or only sounds such as [Music]."""
    if len(transcript) > _LONGEST_PLACEHOLDER:
        return False
    words = " ".join(_UNSPOKEN.sub(" ", transcript).casefold().split()).strip(" .-_")
    return words in _NOTHING or (len(words) <= _LONGEST_FAILURE and _FAILURE.match(words) is not None)


class _Cells:
    """The cells of one raw row, and the problems found in them so far."""

    def __init__(self, raw: Mapping[str, Any], place: Place) -> None:
        self._raw = raw
        self._place = place
        self.video_id: str | None = None
        self.problems: list[RowProblem] = []

    def add(self, column: str, code: str, message: str, severity: Severity) -> None:
        self.problems.append(RowProblem(self._place, self.video_id, column, code, message, severity))

    def read(self, column: str, reader: Callable[[Any, Warn], Any], *, required: bool = False) -> Any:
        """Return the column's value, or None if it is absent or invalid; `required` then rejects the row."""
        value = self._raw.get(column)
        if is_absent(value):
            if required:
                self.add(column, MISSING, f"is empty; give every video a {column}", "rejected")
            return None
        try:
            return reader(value, lambda code, message: self.add(column, code, message, "warning"))
        except FieldError as error:
            self.add(column, error.code, str(error), "rejected" if required else "warning")
            return None


def check_source_row(raw: RawRow) -> CheckedRow:
    """Check a row of a source, and keep the problems that the source found."""
    if raw.values is None:
        return CheckedRow(raw.place, None, raw.problems)
    checked = check_row(raw.values, place=raw.place, cues=raw.cues)
    problems = raw.problems + checked.problems
    if checked.video is not None:
        return CheckedRow(checked.place, checked.video, problems)
    cues = {"cues": msgspec.to_builtins(raw.cues)} if raw.cues else {}
    return CheckedRow(checked.place, None, problems, {**raw.values, **cues})
