"""Transcripts in JSON, in the formats of several programs, which are recognised by their keys (pure).

youtube-transcript-api writes `[{text, start, duration}]`. Dumps of several videos end each list with
`{"title": ...}`, or are objects with the lists by video id. Whisper writes `segments`, whisper.cpp
`transcription` with milliseconds, YouTube's player json3 with `events`.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from json import JSONDecodeError
from typing import Any, Final, NamedTuple

from ingest.rows.fields import FieldError, read_seconds
from ingest.sources.captions.cues import ShownCue, end_where_next_starts, merge_cues, shown_cue
from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.captions.subtitles import Transcript

_FORMATS: Final = (
    "youtube-transcript-api's list of {text, start, duration}, Whisper's segments or YouTube's json3"
)
_DETAILS: Final = {
    "video_id": ("video_id", "videoId", "id"),
    "title": ("title",),
    "url": ("url", "webpage_url"),
    "channel": ("channel", "uploader"),
    "published_at": ("published_at", "datetime", "upload_date"),
    "language": ("language_code", "language", "lang"),
}
"""Columns, and the keys of their values in objects that describe a transcript's video."""

_MILLISECOND: Final = 0.001
_DUMP_DEPTH: Final = 2


class _Item(NamedTuple):
    """One piece of a transcript; `start` is None if the piece cannot be used."""

    start: float | None
    end: float | None
    text: str


_UNUSABLE: Final = _Item(None, None, "")


def parse_json_transcripts(text: str) -> list[Transcript]:
    """Return the transcripts in a file; dumps have several.

    Raises CaptionFileError if the text is not JSON or has none of the formats above.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, line {error.lineno:,}" if isinstance(error, JSONDecodeError) else str(error)
        raise CaptionFileError(
            "invalid-json", f"is not JSON ({reason}); download or export it again"
        ) from error
    found = _transcripts(document, {}, depth=0)
    if all(transcript is None for transcript in found):
        raise CaptionFileError(
            "not-a-transcript",
            f"is JSON but not a transcript in a known format ({_FORMATS}); a catalogue must be a .jsonl file "
            "with one object per line",
        )
    # An entry of a dump that is no transcript becomes one without cues, so that numbers stay right.
    return [transcript or Transcript(cues=[]) for transcript in found]


def _transcripts(document: object, details: dict[str, Any], *, depth: int) -> list[Transcript | None]:
    """Return the transcripts in a document, with None for a part that is no transcript."""
    if isinstance(document, Mapping):
        key = next((key for key in _READERS if isinstance(document.get(key), list)), None)
        if key is not None:
            return [_READERS[key](document[key], _details_of(document) | details)]
        by_id = document.values() and all(isinstance(one, list | Mapping) for one in document.values())
        if by_id and depth < _DUMP_DEPTH:
            return [
                transcript
                for video_id, one in document.items()
                for transcript in _transcripts(one, {"video_id": video_id}, depth=depth + 1)
            ]
    elif isinstance(document, list):
        if _is_list_of_pieces(document):
            return [_from_pieces(document, details, _of_piece)]
        if depth < _DUMP_DEPTH:
            return [transcript for one in document for transcript in _transcripts(one, {}, depth=depth + 1)]
    return [None]


def transcripts_of_entry(key: str | None, entry: object) -> list[Transcript | None]:
    """Return the transcripts in an entry of a dump, whose `key` is the video id; None for no transcript."""
    return _transcripts(entry, {} if key is None else {"video_id": key}, depth=1)


def holds_pieces(key: str | None, entry: object) -> bool:
    """Whether the value of a key is a whole transcript, as `segments` is in Whisper's format."""
    return key in _READERS and isinstance(entry, list)


def is_piece(entry: object) -> bool:
    """Whether an entry is a piece of a transcript, not a whole one and not the title after the last piece."""
    return isinstance(entry, Mapping) and not _holds_one(entry) and "text" in entry


def _is_list_of_pieces(document: list[Any]) -> bool:
    """Whether a list is one transcript (possibly an empty one) and not several."""
    if any(isinstance(entry, Mapping) and _holds_one(entry) for entry in document):
        return False
    return not document or any(
        isinstance(entry, Mapping) and ("text" in entry or "title" in entry) for entry in document
    )


def _holds_one(entry: Mapping[str, Any]) -> bool:
    return any(holds_pieces(key, entry.get(key)) for key in _READERS)


def _details_of(holder: Mapping[str, Any]) -> dict[str, Any]:
    details = {}
    for column, keys in _DETAILS.items():
        # A numeric id usually counts Whisper's segments or a table's rows, not videos.
        found = next(
            (holder[key] for key in keys if isinstance(holder.get(key), str) and holder[key].strip()), None
        )
        if found is not None:
            details[column] = found
    if isinstance(generated := holder.get("is_generated"), bool):
        details["caption_kind"] = "automatic" if generated else "manual"
    return details


def _from_pieces(
    pieces: Sequence[Any], details: dict[str, Any], read: Callable[[Mapping[str, Any]], _Item]
) -> Transcript:
    items: list[_Item] = []
    skipped: list[int] = []
    for number, piece in enumerate(pieces, 1):
        if isinstance(piece, Mapping) and "text" not in piece and "title" in piece:
            details = _details_of(piece) | details
            continue
        item = read(piece) if isinstance(piece, Mapping) else _UNUSABLE
        if item.start is None:
            skipped.append(number)
        else:
            items.append(item)
    return Transcript(cues=end_where_next_starts(merge_cues(_shown(items))), skipped=skipped, details=details)


def _shown(items: list[_Item]) -> list[ShownCue]:
    shown = []
    for item, after in zip_longest(items, items[1:]):
        start = item.start or 0.0
        # A piece without an end lasts until the next one starts.
        end = item.end if item.end is not None else max(start, (after and after.start) or start)
        shown.append(shown_cue(start, end, item.text.splitlines()))
    return shown


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    try:
        return read_seconds(value, lambda _code, _message: None)
    except FieldError:
        return None


def _item(start: float, end: float | None, text: str) -> _Item:
    if end is not None and not math.isfinite(end):
        return _UNUSABLE
    return _Item(round(start, 3), None if end is None else round(end, 3), text)


def _of_piece(piece: Mapping[str, Any]) -> _Item:
    text, start, end = piece.get("text"), _seconds(piece.get("start")), _seconds(piece.get("end"))
    if not isinstance(text, str) or start is None:
        return _UNUSABLE
    duration = _seconds(piece.get("duration", piece.get("dur")))
    if end is None and duration is not None:
        end = start + duration
    return _item(start, end, text)


def _of_whisper_cpp(piece: Mapping[str, Any]) -> _Item:
    offsets = piece.get("offsets")
    times = offsets if isinstance(offsets, Mapping) else {}
    start, end, text = _seconds(times.get("from")), _seconds(times.get("to")), piece.get("text")
    if start is None or not isinstance(text, str):
        return _of_piece(piece)
    return _item(start * _MILLISECOND, None if end is None else end * _MILLISECOND, text)


def _from_json3(events: Sequence[Any], details: dict[str, Any]) -> Transcript:
    items: list[_Item] = []
    skipped: list[int] = []
    automatic = False
    for number, event in enumerate(events, 1):
        # Events without `segs` set up a window; events that append contain only a line break.
        if not isinstance(event, Mapping):
            skipped.append(number)
            continue
        segments = event.get("segs")
        pieces = (
            [piece for piece in segments if isinstance(piece, Mapping)] if isinstance(segments, list) else []
        )
        text = "".join(piece["utf8"] for piece in pieces if isinstance(piece.get("utf8"), str))
        if not text.strip():
            continue
        start, lasts = _seconds(event.get("tStartMs", 0)), _seconds(event.get("dDurationMs"))
        if start is None:
            skipped.append(number)
            continue
        automatic = automatic or any("tOffsetMs" in piece or "acAsrConf" in piece for piece in pieces)
        end = None if lasts is None else (start + lasts) * _MILLISECOND
        item = _item(start * _MILLISECOND, end, text)
        if item.start is None:
            skipped.append(number)
        else:
            items.append(item)
    if automatic:
        details = {"caption_kind": "automatic"} | details
    return Transcript(cues=end_where_next_starts(merge_cues(_shown(items))), skipped=skipped, details=details)


def _reader(read: Callable[[Mapping[str, Any]], _Item]) -> Callable[[list[Any], dict[str, Any]], Transcript]:
    return lambda pieces, details: _from_pieces(pieces, details, read)


_READERS: Final[dict[str, Callable[[list[Any], dict[str, Any]], Transcript]]] = {
    "events": _from_json3,
    "segments": _reader(_of_piece),
    "snippets": _reader(_of_piece),
    "transcription": _reader(_of_whisper_cpp),
    "transcript": _reader(_of_piece),
}
"""The readers of documents by the key of their list of pieces."""
