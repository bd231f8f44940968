"""Timed Text Markup (TTML, formerly DFXP), as broadcasters and yt-dlp's `--sub-format ttml` write it (pure).

Only what says which words are shown when is read: layout and styles are passed over. Expat does the XML. A
file that declares a document type is refused, so no entity is ever defined, and none can be made to grow;
what is nested costs a stack of our own.
"""

import re
from itertools import zip_longest
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from ingest.sources.captions.cues import are_rolling, end_where_next_starts, merge_cues, shown_cue
from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.captions.subtitles import Transcript

MARKS: Final = ("<?xml", "<tt ", "<tt:tt ", "<tt>")
"""What the text of such a file begins with."""

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
_BEFORE: Final = "\ufeff \t\r\n"
_LATEST: Final = 1e9
"""Seconds. A time beyond it is damage; subtitles' own reader takes no later ones either."""


class _Times(NamedTuple):
    """From when to when an element is shown, in seconds, as it or those around it say.

    A `start` of None says that the times cannot be read, `is_said` that somebody said any.
    """

    start: float | None
    end: float | None = None
    is_said: bool = True


_UNSAID: Final = _Times(0.0, None, is_said=False)
_UNREADABLE: Final = _Times(None)


class _Cue:
    """What an element shows, while its text is still to come."""

    def __init__(self, times: _Times, line: int) -> None:
        self.times = times
        self.line = line
        self.parts: list[str] = []

    @property
    def start(self) -> float | None:
        """When it is first shown; None where that is not known."""
        return self.times.start if self.times.is_said else None

    def lines(self) -> list[str]:
        """Return its lines; in XML, blanks and line ends in a text are all the same."""
        return [" ".join(line.split()) for line in "".join(self.parts).split("\N{LINE SEPARATOR}")]


def parse_ttml(text: str) -> Transcript:
    """Return the cues that have a text and times; a text without readable ones is told by its line.

    Times of elements count from when the one around them begins. Raises CaptionFileError for a text that is
    not well-formed XML or declares a document type: half of a file would pass for the whole.
    """
    reading = _Reading()
    try:
        reading.parser.Parse(text.lstrip(_BEFORE).encode("utf-8", "replace"), True)  # noqa: FBT003 - it is the last piece.
    except expat.ExpatError as error:
        told = f"is not well-formed XML ({expat.ErrorString(error.code)}, line {error.lineno:,})"
        raise CaptionFileError("invalid-xml", f"{told}; download or export it again") from error
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
    """Return when a cue ends: one that does not say lasts until the next."""
    if end is not None:
        return max(start, end)
    return max(start, (after and after.start) or start)


class _Reading:
    """A document while expat goes through it."""

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
        self._not_shown = 0
        self._frames = self._ticks = _FRAMES

    def _refuse(self, *_: object) -> None:
        raise CaptionFileError(
            "invalid-xml", "declares a document type, which captions need not; take the <!DOCTYPE ...> out"
        )

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        element = name.rpartition(_SEPARATOR)[2]
        if not self._elements:
            self._read_root(attributes)
        around, cue = self._elements[-1] if self._elements else (_UNSAID, None)
        times = self._times(attributes, around)
        self._not_shown += _is_about(name)
        if element == "br":
            self._text("\N{LINE SEPARATOR}")
        elif element == "p" or (element == "span" and not _TIMING.isdisjoint(attributes)):
            cue = _Cue(times, self.parser.CurrentLineNumber)
            self.cues.append(cue)
        self._elements.append((times, cue))

    def _finish(self, name: str) -> None:
        self._elements.pop()
        self._not_shown -= _is_about(name)

    def _text(self, text: str) -> None:
        cue = self._elements[-1][1]
        if cue and not self._not_shown:
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
        """Return an element's times, of which those it does not say are those of the one around it."""
        if _TIMING.isdisjoint(attributes) or around.start is None:
            return around
        said: dict[str, float] = {}
        for name in _TIMING & attributes.keys():
            if (seconds := self._seconds(attributes[name])) is None:
                return _UNREADABLE
            said[name] = seconds
        start, end = around.start + said.get("begin", 0.0), around.end
        if "end" in said:
            end = around.start + said["end"]
        elif "dur" in said:
            end = start + said["dur"]
        return _Times(round(start, 3), None if end is None else round(end, 3))

    def _seconds(self, text: str) -> float | None:
        """Return a time expression in seconds, None for what is none or past all reason."""
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
    """Say whether an element holds what is not shown: who made it, what it is of."""
    space, _, element = name.rpartition(_SEPARATOR)
    return element in {"head", "metadata"} or space.endswith(_ABOUT)


def _positive(text: str | None) -> float | None:
    """Return a number above zero, None for anything else."""
    digits = (text or "").strip()
    if not re.fullmatch(r"\d{1,12}(?:\.\d{1,6})?", digits, re.ASCII):
        return None
    return float(digits) or None


def looks_like_ttml(text: str) -> bool:
    """Say whether a text begins as such a file does."""
    return text[:100].lstrip(_BEFORE).lower().startswith(MARKS)
