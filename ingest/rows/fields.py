"""The values of a catalogue's columns, one reader a kind of value (pure).

Each reader takes a raw value that is not absent and gives the typed one. It raises `FieldError` for a
value the column cannot take, and calls `warn` with a reason code and a message for what it repaired or
left out of a value that it could take.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, get_args

from retrieval.catalogue.video import NO_TRANSCRIPT, CaptionKind, Cue

MAX_ID_LENGTH: Final = 512
MAX_QUOTED: Final = 60

Warn = Callable[[str, str], None]

# Beyond 2**53 a float no longer holds every whole number, so its text may be another video's id.
_EXACT_FLOAT: Final = 2**53
_UNPRINTABLE: Final = {"Cc": "a control character", "Zl": "a line separator", "Zp": "a line separator"}
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_URL_CHARACTER: Final = r"[^\s\x00-\x20\x7f\ud800-\udfff]"
_WEB_ADDRESS: Final = re.compile(rf"https?://(?![/?#]){_URL_CHARACTER}+", re.IGNORECASE)

# A list that Python printed, as dumps of catalogues have it: ['one', "it's two"].
_PYTHON_TEXT: Final = r"""(?:'[^'\\]*'|"[^"\\]*")"""
_PYTHON_LIST: Final = re.compile(rf"\[\s*{_PYTHON_TEXT}(?:\s*,\s*{_PYTHON_TEXT})*\s*\]")


_LONGEST_PLACEHOLDER: Final = 10_000
_UNSPOKEN: Final = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[♪♫]")
_NOTHING: Final = frozenset(
    {"", NO_TRANSCRIPT, "na", "null", "none", "nan", "undefined", "no transcript", "not available"}
)


_LONGEST_FAILURE: Final = 1_000
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
"""How programs begin that say why they have no transcript, where they were asked for one."""


class FieldError(ValueError):
    """A value that its column cannot take; `code` is the stable reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_absent(value: object) -> bool:
    """Say whether a cell is empty: null, a blank text, or the NaN that pandas writes for null."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(value: object) -> str:
    """Return a value as a message may quote it: short, printable, on one line."""
    if isinstance(value, str):
        return repr(value) if len(value) <= MAX_QUOTED else f"{value[:MAX_QUOTED]!r}..."
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _EXACT_FLOAT):
        return repr(value)
    return f"a value of type {type(value).__name__}"


def clean_text(text: str) -> str:
    """Replace halves of characters by U+FFFD and drop NULs: no store or encoder takes either.

    Everything else stays as given, blanks included: titles and transcripts are embedded as given.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.replace("\0", "")


def read_id(value: object, _warn: Warn) -> str:
    """Return the id as text, without the blanks around it; whole numbers become their digits."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOAT:
        value = int(value)  # What pandas makes of a whole-number column that has a null in it.
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_ID_LENGTH:
        value = str(value)
    if not isinstance(value, str):
        raise FieldError("not-text", f"{shown(value)} is not an id; give a text or a whole number")
    video_id = value.strip()
    if len(video_id) > MAX_ID_LENGTH:
        raise FieldError(
            "too-long", f"{len(video_id):,} characters; an id has at most {MAX_ID_LENGTH}: shorten it"
        )
    for character in video_id:
        kind = unicodedata.category(character)
        if kind in _UNPRINTABLE:
            raise FieldError("control-character", f"{shown(video_id)} has {_UNPRINTABLE[kind]}; remove it")
    if clean_text(video_id) != video_id:
        raise FieldError("damaged-text", f"{shown(video_id)} is damaged Unicode; write it as UTF-8")
    return video_id


def read_text(value: object, warn: Warn) -> str:
    """Return a text as given, save for what `clean_text` has to mend."""
    if not isinstance(value, str):
        raise FieldError("not-text", f"{shown(value)} is not a text; write it as one")
    text = clean_text(value)
    if text != value:
        warn(
            "damaged-text", "has NULs or halves of characters, removed or shown as U+FFFD; write it as UTF-8"
        )
    return text


def read_title(value: object, warn: Warn) -> str:
    """Return the title as given."""
    title = read_text(value, warn)
    if not title.strip():
        raise FieldError("missing", "has nothing readable in it; give every video a title")
    return title


def read_transcript(value: object, warn: Warn) -> str | None:
    """Return the transcript, or None where it is blank."""
    text = read_text(value, warn)
    return None if not text or text.isspace() else text


def is_placeholder(transcript: str) -> bool:
    """Say whether a transcript only says that there is none, or why, or that nobody speaks."""
    if len(transcript) > _LONGEST_PLACEHOLDER:
        return False
    words = " ".join(_UNSPOKEN.sub(" ", transcript).casefold().split()).strip(" .-_")
    return words in _NOTHING or (len(words) <= _LONGEST_FAILURE and _FAILURE.match(words) is not None)


def read_caption_kind(value: object, warn: Warn) -> CaptionKind | None:
    """Return who wrote the captions, or None for a word that says neither."""
    word = read_text(value, warn).strip().casefold()
    return next((kind for kind in get_args(CaptionKind) if kind == word), None)


def read_label(value: object, warn: Warn) -> str | None:
    """Return a short text to filter by, without the blanks around it; whole numbers become digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return read_id(value, warn)
    return read_text(value, warn).strip() or None


def read_moment(value: object, _warn: Warn) -> datetime:
    """Return the date and time in UTC; one without a zone is UTC, a date alone is its midnight."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # The one message below tells it.
    raise FieldError(
        "bad-date", f"{shown(value)} is not a date; write it as 2024-05-30 or 2024-05-30T15:41:30Z"
    )


def _number(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_seconds(value: object, _warn: Warn) -> float:
    """Return a length of time in seconds."""
    seconds = _number(value)
    if seconds is None or seconds < 0:
        raise FieldError(
            "bad-duration", f"{shown(value)} is not a length of time; write it in seconds, as 754.2"
        )
    return seconds


def read_address(value: object, _warn: Warn) -> str:
    """Return a web address that a page may link to: http or https, nothing that a browser would run."""
    if isinstance(value, str) and _WEB_ADDRESS.fullmatch(value.strip()):
        return value.strip()
    raise FieldError(
        "bad-url", f"{shown(value)} is not a web address; it has to start with http:// or https://"
    )


def _read_list(value: object, code: str, example: str) -> list[Any] | tuple[Any, ...]:
    if isinstance(value, str):
        # What is not JSON is still a text, which the message below tells.
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, list | tuple):
        raise FieldError(code, f"{shown(value)} is not a list; write it as {example}")
    return value


def read_tags(value: object, warn: Warn) -> tuple[str, ...]:
    """Return the tags in order, each once: from a list, or a text divided by `;` (by `,` if it has none)."""
    items: list[Any] | tuple[Any, ...]
    if isinstance(value, str) and not value.lstrip().startswith("["):
        items = value.split(";" if ";" in value else ",")
    elif isinstance(value, str) and _PYTHON_LIST.fullmatch(value.strip()):
        items = [quoted[1:-1] for quoted in re.findall(_PYTHON_TEXT, value)]
    else:
        items = _read_list(value, "bad-tags", '["one", "two"] or one; two')
    tags: dict[str, None] = {}
    for item in items:
        try:
            label = None if is_absent(item) else read_label(item, warn)
        except FieldError as error:
            warn("bad-tags", f"left out a tag: {error}")
        else:
            tags |= {label: None} if label else {}
    return tuple(tags)


def read_cues(value: object, warn: Warn) -> tuple[Cue, ...]:
    """Return the cues in the order given; one without text is no cue, a bad one costs itself only."""
    cues: list[Cue] = []
    bad: list[int] = []
    turned: list[int] = []
    damaged: list[int] = []
    for number, item in enumerate(
        _read_list(value, "bad-cues", '[{"start": 0, "end": 2.5, "text": "Hello"}]'), 1
    ):
        cue = item if isinstance(item, Mapping) else {}
        start, end, text = _number(cue.get("start")), _number(cue.get("end")), cue.get("text")
        if start is None or start < 0 or end is None or not isinstance(text, str):
            bad.append(number)
            continue
        kept = clean_text(text)
        if not kept.strip():
            continue
        if kept != text:
            damaged.append(number)
        if end < start:
            turned.append(number)
        cues.append(Cue(start, max(start, end), kept))
    # Once a video, not once a cue: an hour of captions has a thousand.
    for numbers, code, what in (
        (bad, "bad-cues", "left out; each needs a start and an end in seconds, from 0, and a text"),
        (turned, "cue-times", "made to end where it starts; its end came before, correct its times"),
        (damaged, "damaged-text", "has NULs or halves of characters, removed or shown as U+FFFD"),
    ):
        if numbers:
            more = f" (and {len(numbers) - 1:,} more)" if len(numbers) > 1 else ""
            warn(code, f"cue {numbers[0]:,}{more}: {what}")
    return tuple(cues)
