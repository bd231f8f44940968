"""The reason codes of rows' problems, and their wording in the sentences that count them. Pure.

A code is stable: JSON reports and metrics count by it. Its wording is for people and may change.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MISSING: Final = "missing"
DUPLICATE_ID: Final = "duplicate-id"
NO_TRANSCRIPT: Final = "no-transcript"
PLACEHOLDER_TRANSCRIPT: Final = "placeholder-transcript"

FETCH_FAILED: Final = "fetch-failed"
"""The reason code of a row whose source failed this time: the index keeps its current copy of the video."""

_MISSING_FIELDS: Final = MappingProxyType({"video_id": "without an id", "title": "without a title"})

REASONS: Final[Mapping[str, str | tuple[str, str]]] = MappingProxyType(
    {
        MISSING: "without a required value",
        DUPLICATE_ID: ("repeated id", "repeated ids"),
        FETCH_FAILED: "not downloaded",
        NO_TRANSCRIPT: "without a transcript",
        PLACEHOLDER_TRANSCRIPT: "with a placeholder instead of a transcript",
        "not-text": "with a value that is not text",
        "too-long": "with an id that is too long",
        "control-character": "with a control character in the id",
        "damaged-text": "with damaged text",
        "bad-date": ("unreadable date", "unreadable dates"),
        "bad-duration": ("unreadable duration", "unreadable durations"),
        "bad-url": ("unusable address", "unusable addresses"),
        "bad-media": ("unusable media path", "unusable media paths"),
        "bad-tags": "with unreadable tags",
        "bad-cues": "with unreadable cues",
        "cue-times": "with cues that end before they start",
        "invalid-csv": "with misplaced quotes",
        "ragged-row": "with too many or too few cells",
        "invalid-json": "not JSON",
        "not-an-object": "not a JSON object",
        "invalid-xml": "not XML",
        "invalid-info": ("unreadable info file", "unreadable info files"),
        "unreadable": ("unreadable file", "unreadable files"),
        "too-large": "too large",
        "no-cues": "without captions in it",
        "not-a-transcript": "not a transcript",
        "several-transcripts": "with several transcripts",
        "captions-skipped": "with captions left out",
        "times-shifted": "with shifted times",
        "numbered-id": "with a number as the id",
        "list-cut": "channel that YouTube lists in part",
    }
)
"""The wording of each code after a number: one text, or the singular and the plural."""


def counted_reason(number: int, code: str, field: str | None = None) -> str:
    """Format a count of a reason: `1 repeated id`, `2 without a title`."""
    wording = REASONS.get(code, code.replace("-", " "))
    if code == MISSING and field:
        wording = _MISSING_FIELDS.get(field, f"without a {field}")
    if not isinstance(wording, str):
        wording = wording[number != 1]
    return f"{number:,} {wording}"
