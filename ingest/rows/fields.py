"""Readers of the columns of a catalogue, one for each kind of value (pure).

Each reader converts a raw value that is not absent to the typed one. It raises `FieldError` for an invalid
value, and calls `warn` with a reason code and a message for each part that it repaired or left out.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, get_args

from ingest.rows.reasons import MISSING
from retrieval.catalogue.video import CaptionKind, Cue

MAX_ID_LENGTH: Final = 512
MAX_QUOTED: Final = 60

Warn = Callable[[str, str], None]

# Above 2**53 a float does not represent every whole number, so its digits may be another video's id.
_EXACT_FLOAT: Final = 2**53
_UNPRINTABLE: Final = {"Cc": "a control character", "Zl": "a line separator", "Zp": "a line separator"}
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_URL_CHARACTER: Final = r"[^\s\x00-\x20\x7f\ud800-\udfff]"
_REPAIRED: Final = "contains NULs or invalid characters, which were removed or replaced by U+FFFD"
REVERSED_CUE: Final = "ends before it starts, so its end was set to its start; correct its times"
_WEB_ADDRESS: Final = re.compile(rf"https?://(?![/?#]){_URL_CHARACTER}+", re.IGNORECASE)

# A list as Python prints it, which some exports contain: ['one', "it's two"].
_PYTHON_TEXT: Final = r"""(?:'[^'\\]*'|"[^"\\]*")"""
_PYTHON_LIST: Final = re.compile(rf"\[\s*{_PYTHON_TEXT}(?:\s*,\s*{_PYTHON_TEXT})*\s*\]")


class FieldError(ValueError):
    """An invalid value; `code` is the stable reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_absent(value: object) -> bool:
    """Whether a cell is empty: null, blank text, or NaN, which pandas writes for null."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(value: object) -> str:
    """Return a value for quoting in a message: short, printable, on one line."""
    if isinstance(value, str):
        return repr(value) if len(value) <= MAX_QUOTED else f"{value[:MAX_QUOTED]!r}..."
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _EXACT_FLOAT):
        return repr(value)
    return f"a value of type {type(value).__name__}"


def clean_text(text: str) -> str:
    """Replace lone surrogates by U+FFFD and remove NULs, which neither the index nor the encoder accepts.

    All other text, including whitespace, is unchanged: titles and transcripts are embedded as given.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.replace("\0", "")


def read_id(value: object, _warn: Warn) -> str:
    """Return the id as text without surrounding whitespace; whole numbers become their digits."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOAT:
        value = int(value)  # pandas converts a whole-number column with a null to floats.
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_ID_LENGTH:
        value = str(value)
    if not isinstance(value, str):
        raise FieldError("not-text", f"{shown(value)} is not an id; write text or a whole number")
    video_id = value.strip()
    if len(video_id) > MAX_ID_LENGTH:
        raise FieldError(
            "too-long",
            f"{len(video_id):,} characters long; the maximum for an id is {MAX_ID_LENGTH}: shorten it",
        )
    for character in video_id:
        kind = unicodedata.category(character)
        if kind in _UNPRINTABLE:
            raise FieldError(
                "control-character", f"{shown(video_id)} contains {_UNPRINTABLE[kind]}; remove it"
            )
    if clean_text(video_id) != video_id:
        raise FieldError("damaged-text", f"{shown(video_id)} is not valid Unicode; save it as UTF-8")
    return video_id


def read_text(value: object, warn: Warn) -> str:
    """Return the text, repaired by `clean_text`."""
    if not isinstance(value, str):
        raise FieldError("not-text", f"{shown(value)} is not text; write it as a string")
    text = clean_text(value)
    if text != value:
        warn("damaged-text", f"{_REPAIRED}; save it as UTF-8")
    return text


def read_title(value: object, warn: Warn) -> str:
    """Return the title as given."""
    title = read_text(value, warn)
    if not title.strip():
        raise FieldError(MISSING, "contains no readable character; give every video a title")
    return title


def read_transcript(value: object, warn: Warn) -> str | None:
    """Return the transcript, or None if it is blank."""
    text = read_text(value, warn)
    return None if not text or text.isspace() else text


def read_caption_kind(value: object, warn: Warn) -> CaptionKind | None:
    """Return "manual" or "automatic", or None for any other word."""
    word = read_text(value, warn).strip().casefold()
    return next((kind for kind in get_args(CaptionKind) if kind == word), None)


def read_label(value: object, warn: Warn) -> str | None:
    """Return a short text for filters, without surrounding whitespace; whole numbers become their digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return read_id(value, warn)
    return read_text(value, warn).strip() or None


def read_moment(value: object, _warn: Warn) -> datetime:
    """Return the date and time in UTC. Without a time zone it is UTC; a date alone is its midnight."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # Reported by the error below.
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
    """Return a duration in seconds, 0 or more."""
    seconds = _number(value)
    if seconds is None or seconds < 0:
        raise FieldError(
            "bad-duration", f"{shown(value)} is not a duration; write it in seconds, for example 754.2"
        )
    return seconds


def read_address(value: object, _warn: Warn) -> str:
    """Return an http or https address; no scheme that a browser would execute."""
    if isinstance(value, str) and _WEB_ADDRESS.fullmatch(value.strip()):
        return value.strip()
    raise FieldError(
        "bad-url", f"{shown(value)} is not a web address; it must start with http:// or https://"
    )


def _read_list(value: object, code: str, example: str) -> list[Any] | tuple[Any, ...]:
    if isinstance(value, str):
        # Text that is not JSON remains a string, which the error below reports.
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, list | tuple):
        raise FieldError(code, f"{shown(value)} is not a list; write it as {example}")
    return value


def read_tags(value: object, warn: Warn) -> tuple[str, ...]:
    """Return the tags in order without duplicates, from a list or a text separated by `;`, else by `,`."""
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
            warn("bad-tags", f"one tag was left out: {error}")
        else:
            tags |= {label: None} if label else {}
    return tuple(tags)


def read_cues(value: object, warn: Warn) -> tuple[Cue, ...]:
    """Return the cues of a table's cell in their order; cues without text or valid times are left out."""
    cues: list[Cue] = []
    invalid: list[int] = []
    reversed_: list[int] = []
    repaired: list[int] = []
    for number, item in enumerate(
        _read_list(value, "bad-cues", '[{"start": 0, "end": 2.5, "text": "Hello"}]'), 1
    ):
        cue = item if isinstance(item, Mapping) else {}
        start, end, text = _number(cue.get("start")), _number(cue.get("end")), cue.get("text")
        if start is None or start < 0 or end is None or not isinstance(text, str):
            invalid.append(number)
            continue
        cleaned = clean_text(text)
        if not cleaned.strip():
            continue
        if cleaned != text:
            repaired.append(number)
        if end < start:
            reversed_.append(number)
        cues.append(Cue(start, max(start, end), cleaned))
    # One warning for each video, not for each cue: an hour of captions has a thousand.
    for numbers, code, message in (
        (invalid, "bad-cues", "left out; each needs a start and an end in seconds, 0 or more, and a text"),
        (reversed_, "cue-times", REVERSED_CUE),
        (repaired, "damaged-text", _REPAIRED),
    ):
        if numbers:
            warn(code, f"cue {first_of(numbers)}: {message}")
    return tuple(cues)


def first_of(numbers: Sequence[int]) -> str:
    """Return the first of several numbers and how many follow: "4 (and 2 more)"."""
    more = f" (and {len(numbers) - 1:,} more)" if len(numbers) > 1 else ""
    return f"{numbers[0]:,}{more}"
