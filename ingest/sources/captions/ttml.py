"""The parser of Timed Text Markup (TTML, formerly DFXP), used by broadcasters and YouTube (pure).

Only words and their times are read; layout and styles are ignored. Expat parses the XML. A file that declares
a document type is refused, so that no entities can be defined and expanded. Nested elements use our own
stack, not recursion.
"""

import re
from itertools import zip_longest
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from ingest.sources.captions.cues import are_rolling, end_where_next_starts, merge_cues, shown_cue
from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.captions.subtitles import Transcript

MARKS: Final = ("<?xml", "<tt ", "<tt:tt ", "<tt>")
"""The possible beginnings of such a file."""

_SEPARATOR: Final = " "
_PARAMETERS: Final = "#parameter"
_XML_LANGUAGE: Final = "http://www.w3.org/XML/1998/namespace lang"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")

_DIGITS: Final = r"(\d{1,9})"
_FRACTION: Final = r"(?:[.,](\d{1,9})\d*+)?"
_CLOCK: Final = re.compile(
    rf"{_DIGITS}:(\d{{1,2}}):(\d{{1,2}}){_FRACTION}(?:[:;](\d{{1,3}})(?:\.\d{{1,3}})?)?", re.ASCII
)
_OFFSET: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9}\d*+)?)(h|ms|m|s|f|t)", re.ASCII)
_UNIT_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FRAMES: Final = 30.0
_TIMING: Final = frozenset({"begin", "end", "dur"})
_ABOUT: Final = "#metadata"
_LEADING: Final = "\ufeff \t\r\n"
_LATEST: Final = 1e9
"""Seconds. A later time is damage; the subtitle parser accepts no later one either."""


class _Times(NamedTuple):
    """When an element is shown, in seconds, from its own attributes or those of the elements around it.

    `start` is None if the times cannot be read. `is_given` is False if no element has times.
    """

    start: float | None
    end: float | None = None
    is_given: bool = True


_NOT_GIVEN: Final = _Times(0.0, None, is_given=False)
_UNREADABLE: Final = _Times(None)


class _Cue:
    """A cue while the text of its element is read."""

    def __init__(self, times: _Times, line: int) -> None:
        self.times = times
        self.line = line
        self.parts: list[str] = []

    @property
    def start(self) -> float | None:
        """The start of the cue in seconds; None if it is unknown."""
        return self.times.start if self.times.is_given else None

    def lines(self) -> list[str]:
        """Return the lines of the cue; in XML, all whitespace in a text is equal."""
        return [" ".join(line.split()) for line in "".join(self.parts).split("\N{LINE SEPARATOR}")]


def parse_ttml(text: str) -> Transcript:
    """Return the cues that have text and times, and the lines of text without readable times.

    Times are relative to the start of the surrounding element. Raises CaptionFileError if the text is not
    well-formed XML, because part of a file must not pass for the whole, or declares a document type.
    """
    reading = _Reading()
    try:
        reading.parser.Parse(text.lstrip(_LEADING).encode("utf-8", "replace"), True)  # noqa: FBT003 - this is the last piece.
    except expat.ExpatError as error:
        reason = f"is not well-formed XML ({expat.ErrorString(error.code)}, line {error.lineno:,})"
        raise CaptionFileError("invalid-xml", f"{reason}; download or export it again") from error
    with_text = [cue for cue in reading.cues if any(cue.lines())]
    timed = [cue for cue in with_text if cue.start is not None]
    shown = [
        shown_cue(start, _end(start, cue.times.end, after), cue.lines())
        for cue, after in zip_longest(timed, timed[1:])
        if (start := cue.start) is not None
    ]
    details = reading.details | ({"caption_kind": "automatic"} if are_rolling(shown) else {})
    skipped = sorted({cue.line for cue in with_text if cue.start is None})
    return Transcript(cues=end_where_next_starts(merge_cues(shown)), skipped=skipped, details=details)


def _end(start: float, end: float | None, after: _Cue | None) -> float:
    """Return the end of a cue. A cue without an end lasts until the next one starts."""
    if end is not None:
        return max(start, end)
    return max(start, (after and after.start) or start)


class _Reading:
    """The state of the parser."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._finish
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.cues: list[_Cue] = []
        self.details: dict[str, Any] = {}
        self._elements: list[tuple[_Times, _Cue | None]] = []
        self._hidden = 0
        self._frames = self._ticks = _FRAMES

    def _refuse(self, *_: object) -> None:
        raise CaptionFileError(
            "invalid-xml",
            "declares a document type, which is not allowed in captions; remove the <!DOCTYPE ...>",
        )

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        element = name.rpartition(_SEPARATOR)[2]
        if not self._elements:
            self._read_root(attributes)
        around, cue = self._elements[-1] if self._elements else (_NOT_GIVEN, None)
        times = self._times(attributes, around)
        self._hidden += _is_about(name)
        if element == "br":
            self._text("\N{LINE SEPARATOR}")
        elif element == "p" or (element == "span" and not _TIMING.isdisjoint(attributes)):
            cue = _Cue(times, self.parser.CurrentLineNumber)
            self.cues.append(cue)
        self._elements.append((times, cue))

    def _finish(self, name: str) -> None:
        self._elements.pop()
        self._hidden -= _is_about(name)

    def _text(self, text: str) -> None:
        cue = self._elements[-1][1]
        if cue and not self._hidden:
            cue.parts.append(text)

    def _read_root(self, attributes: dict[str, str]) -> None:
        if _LANGUAGE.fullmatch(language := attributes.get(_XML_LANGUAGE, "").strip()):
            self.details["language"] = language
        parameters = {
            name.rpartition(_SEPARATOR)[2]: value
            for name, value in attributes.items()
            if name.partition(_SEPARATOR)[0].endswith(_PARAMETERS)
        }
        frames = _positive(parameters.get("frameRate"))
        above, _, below = parameters.get("frameRateMultiplier", "").replace(":", " ").partition(" ")
        factor = (_positive(above) or 1.0) / (_positive(below) or 1.0)
        self._frames = (frames or _FRAMES) * factor
        self._ticks = _positive(parameters.get("tickRate")) or (self._frames if frames else 1.0)

    def _times(self, attributes: dict[str, str], around: _Times) -> _Times:
        """Return an element's times; missing ones are those of the surrounding element."""
        if _TIMING.isdisjoint(attributes) or around.start is None:
            return around
        given: dict[str, float] = {}
        for name in _TIMING & attributes.keys():
            if (seconds := self._seconds(attributes[name])) is None:
                return _UNREADABLE
            given[name] = seconds
        start, end = around.start + given.get("begin", 0.0), around.end
        if "end" in given:
            end = around.start + given["end"]
        elif "dur" in given:
            end = start + given["dur"]
        return _Times(round(start, 3), None if end is None else round(end, 3))

    def _seconds(self, text: str) -> float | None:
        """Return a time expression in seconds; None if it is invalid or unreasonably late."""
        if found := _CLOCK.fullmatch(text.strip()):
            hours, minutes, seconds, fraction, frames = found.groups()
            whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
            value = whole + float(f"0.{fraction or 0}") + int(frames or 0) / self._frames
        elif found := _OFFSET.fullmatch(text.strip()):
            rates = {"f": 1 / self._frames, "t": 1 / self._ticks}
            value = float(found[1]) * (_UNIT_SECONDS | rates)[found[2]]
        else:
            return None
        return value if value <= _LATEST else None


def _is_about(name: str) -> bool:
    """Whether the content of an element is not shown: the head and metadata."""
    space, _, element = name.rpartition(_SEPARATOR)
    return element in {"head", "metadata"} or space.endswith(_ABOUT)


def _positive(text: str | None) -> float | None:
    """Return a number above zero; None for any other text."""
    digits = (text or "").strip()
    if not re.fullmatch(r"\d{1,12}(?:\.\d{1,6})?", digits, re.ASCII):
        return None
    return float(digits) or None


def looks_like_ttml(text: str) -> bool:
    """Whether a text begins like TTML."""
    return text[:100].lstrip(_LEADING).lower().startswith(MARKS)
