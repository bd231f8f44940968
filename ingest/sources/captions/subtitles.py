"""The parser of subtitle files: WebVTT, SubRip and YouTube's sbv, recognised by their time formats (pure)."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from ingest.sources.captions.cues import are_rolling, merge_cues, shown_cue
from retrieval.catalogue.display_text import clean_for_display
from retrieval.catalogue.video import Cue

# Hours may be missing or have four digits; leading zeros may be missing. A comma, point or colon may begin
# the fraction, and programs that add floats write another fraction after it. Text recognition adds spaces.
_TIME: Final = r"(?:(\d{1,9}+) ?: ?)?(\d{1,3}) ?: ?(\d{1,2})(?: ?[.,:] ?(\d{1,9}+)\d*+(?:[.,]\d*+)?)?"
_ARROW: Final = r"(?:-{1,3}>|[\u2013\u2014]>|\u2192)"
# Settings of alignment and position may follow the times.
_ARROW_TIMING: Final = re.compile(rf"\s*{_TIME}\s*{_ARROW}\s*{_TIME}(?:\s(.*))?", re.ASCII)
_COMMA_TIMING: Final = re.compile(rf"\s*{_TIME}\s*,\s*{_TIME}(\s*)", re.ASCII)
# Meant as a timing line, valid or not. An arrow further on in a line is part of the text.
_LIKE_TIMING: Final = re.compile(rf"\s*-?(?=\d)(?=[^\s>]{{0,30}}:)\S{{1,40}}?\s*{_ARROW}", re.ASCII)
_COMMENT: Final = re.compile(r"\ufeff?(?:WEBVTT|NOTE|STYLE|REGION)\b")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_LANGUAGE: Final = re.compile(r"Language:\s*([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*)\s*")
_CLOCK: Final = re.compile(rf"X-TIMESTAMP-MAP=.{{0,200}}?LOCAL:{_TIME}", re.ASCII)
_MAX_NUMBER_DIGITS: Final = 9


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one caption file.

    `skipped` are the numbers of the lines, or of the items of a list, whose text was left out because it has
    no valid times. `details` are columns of a row (language, caption_kind, title, ...) that the file states.
    `shift` is the start of the file's clock in seconds, which was subtracted from its times. The end of a cue
    may be before its start, as written in the file.
    """

    cues: list[Cue]
    skipped: list[int] = []
    details: dict[str, Any] = {}
    shift: float = 0.0


class _Timing(NamedTuple):
    start: float
    end: float
    settings: str


class _Cue:
    """A cue while its lines are read."""

    def __init__(self, timing: _Timing, lines: list[str]) -> None:
        self.timing = timing
        self.lines = lines


def parse_subtitles(text: str, *, commas: bool = False) -> Transcript:
    """Return the cues that have text, and the lines that were left out. Never raises.

    `commas`: the two times of a cue are separated by a comma, as in sbv, instead of an arrow. The parser is
    more lenient than WebVTT: the header, hours, leading zeros and fractions are optional, and blank lines
    between the times and the text are skipped. Text without times is left out and its line is reported,
    because invented times would lead to the wrong moment. The time is linear in the size of the text.
    """
    reading = _Reading(_COMMA_TIMING if commas else _ARROW_TIMING)
    for first, block in _blocks(text):
        reading.take(first, block)
    shown = [shown_cue(cue.timing.start, cue.timing.end, cue.lines) for cue in reading.cues]
    shift = reading.shift if all(cue.start >= reading.shift for cue in shown) else 0.0
    if shift:
        shown = [cue._replace(start=cue.start - shift, end=cue.end - shift) for cue in shown]
    details = reading.details | ({"caption_kind": "automatic"} if are_rolling(shown) else {})
    cues = [_rounded(cue) for cue in merge_cues(shown)]
    return Transcript(cues=cues, skipped=reading.skipped, details=details, shift=shift if cues else 0.0)


def _rounded(cue: Cue) -> Cue:
    return Cue(round(cue.start, 3), round(cue.end, 3), cue.text)


class _Reading:
    """The state of the parser."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._markers = (">", "\u2192") if pattern is _ARROW_TIMING else (">", ",")
        self._waiting: _Cue | None = None  # A cue without text yet; its text may follow a blank line.
        self.cues: list[_Cue] = []
        self.skipped: list[int] = []
        self.details: dict[str, Any] = {}
        self.shift = 0.0

    def take(self, first: int, block: list[str]) -> None:
        """Read lines without a blank one between them; `first` is the number of the first."""
        heads = list(self._heads(block))
        if _COMMENT.match(block[0]):
            self._read_header(block)
            if not any(timing for _, timing in heads):
                return
        if not heads:
            if self._waiting:
                self._waiting.lines.extend(block)
            elif self.cues:
                self.skipped.append(first)
            return
        ends = [head for head, _ in heads[1:]]
        for (head, timing), end in zip(heads, [*ends, len(block)], strict=True):
            self._waiting = None
            if timing is None:
                self.skipped.append(first + head)
                continue
            lines = block[head + 1 : end]
            if end < len(block) and _goes_on_counting(block[head - 1] if head else "", lines):
                lines.pop()
            self.cues.append(_Cue(timing, lines))
            if not lines:
                self._waiting = self.cues[-1]

    def _heads(self, block: list[str]) -> Iterator[tuple[int, _Timing | None]]:
        """Yield the indices of timing lines and their times; None if the times cannot be read."""
        before = None
        for index, line in enumerate(block):
            if not any(marker in line for marker in self._markers):
                continue
            plain = line if line.isascii() else clean_for_display(line)
            timing = _timing(plain, self._pattern)
            if timing is None and not _LIKE_TIMING.match(plain):
                continue
            # Below the text of a cue, only an unambiguous timing line begins another cue.
            if before is not None and index > before + 1 and timing and not _is_strict(plain, timing):
                continue
            before = index
            yield index, timing

    def _read_header(self, block: list[str]) -> None:
        for line in block:
            if (language := _LANGUAGE.fullmatch(line)) and not self.cues:
                self.details["language"] = language[1]
            if (clock := _CLOCK.match(line)) and not self.cues:
                self.shift = _seconds(*clock.group(1, 2, 3, 4))


def _goes_on_counting(number: str, lines: list[str]) -> bool:
    """Whether a cue's last line is the number of the next cue, with no blank line between them."""
    this, following = _small_number(number), _small_number(lines[-1] if lines else "")
    return this is not None and following == this + 1


def _is_strict(line: str, timing: _Timing) -> bool:
    return ("-->" in line or ">" not in line) and all(":" in word for word in timing.settings.split())


def _timing(line: str, pattern: re.Pattern[str]) -> _Timing | None:
    found = pattern.fullmatch(line)
    if found is None:
        return None
    return _Timing(_seconds(*found.group(1, 2, 3, 4)), _seconds(*found.group(5, 6, 7, 8)), found[9] or "")


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + round(float(f"0.{fraction or 0}"), 3)


def _small_number(line: str) -> int | None:
    digits = line.strip()
    return (
        int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_NUMBER_DIGITS else None
    )


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each block of lines that are not blank, with the number of its first line."""
    block: list[str] = []
    for number, line in enumerate([*_LINE_END.split(text), ""], 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
