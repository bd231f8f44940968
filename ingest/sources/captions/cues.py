"""Conversion of what a screen showed to what was said: each word once, at its time (pure).

Automatic captions roll up: a new line appears below the previous one, which moves up and is repeated in the
next cue, often with a cue of 10 ms in between that shows nothing new. Read literally, they contain every word
two or three times.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from retrieval.catalogue.display_text import clean_for_display
from retrieval.catalogue.video import Cue

TOUCHING: Final = 0.1
"""Seconds. A line that rolls up is repeated at once; a line that is repeated later was said again."""
BRIEF: Final = 0.05
"""Seconds. A cue this short cannot be read: it only makes the player scroll."""

_SCREEN_LINES: Final = 8

_WORD_TIME: Final = re.compile(r"<\d[\d:.]*>")
_LINE_BREAK: Final = re.compile(r"<br\s?/?>|\[br\]", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")


class ShownLine(NamedTuple):
    """A cleaned line of a cue. A line with times for its words is new; it did not roll up."""

    text: str
    has_word_times: bool = False


class ShownCue(NamedTuple):
    """The lines that a file shows from `start` to `end`, in seconds. No line is empty."""

    start: float
    end: float
    lines: tuple[ShownLine, ...]


def shown_cue(start: float, end: float, lines: Iterable[str]) -> ShownCue:
    """Remove tags for style, voices and word times from the lines of a cue, and lines that are then empty."""
    cleaned = (
        ShownLine(_without_tags(line), _WORD_TIME.search(line) is not None) for line in lines if line.strip()
    )
    return ShownCue(start, end, tuple(line for line in cleaned if line.text))


def _without_tags(line: str) -> str:
    return clean_for_display(_TAG.sub("", _LINE_BREAK.sub(" ", line)))


def are_rolling(cues: Sequence[ShownCue]) -> bool:
    """Whether these are captions that roll up.

    They are if at least half of the cues that have several lines and follow at once begin with lines of the
    cue before. People do say things twice, so two signs are needed: two such cues, or one and a brief cue
    that only repeats. One sign is enough in a file that has times for single words, as songs have too.
    """
    has_word_times = any(line.has_word_times for cue in cues for line in cue.lines)
    several = carrying = repeating = 0
    for before, cue in pairwise(cue for cue in cues if cue.lines):
        carried = _carried_lines(before, cue)
        several += len(cue.lines) > 1 and _touch(before, cue)
        carrying += 0 < carried < len(cue.lines)
        repeating += carried == len(cue.lines) and (_is_brief(cue) or before.lines[-1].has_word_times)
    if has_word_times:
        return carrying + repeating > 0
    return carrying > 0 and 2 * carrying >= several and carrying + repeating > 1


def merge_cues(cues: Sequence[ShownCue]) -> list[Cue]:
    """Return what was said, in the given order, without lines that are only shown again.

    If the captions roll up, a cue keeps only its new lines. In all captions, a cue that repeats the previous
    one in time and text is left out; files that draw a shadow contain such cues. Cues without text are left
    out.
    """
    rolling = are_rolling(cues)
    said: list[Cue] = []
    before: ShownCue | None = None
    for cue in cues:
        if not cue.lines:
            continue
        carried = _carried_lines(before, cue) if rolling and before else 0
        new = Cue(cue.start, cue.end, " ".join(line.text for line in cue.lines[carried:]))
        if new.text and said[-1:] != [new]:
            said.append(new)
        before = cue
    return said


def end_where_next_starts(cues: Sequence[Cue]) -> list[Cue]:
    """End each cue when the next one starts, if most cues overlap the next one.

    Lists made from automatic captions give the time until a line has rolled out of sight. If only few cues
    overlap, people speak at the same time.
    """
    overlaps = [cue.start < after.start < cue.end for cue, after in pairwise(cues)]
    if 2 * sum(overlaps) <= len(overlaps):
        return list(cues)
    cut = [
        msgspec.structs.replace(cue, end=after.start) if overlapping else cue
        for (cue, after), overlapping in zip(pairwise(cues), overlaps, strict=True)
    ]
    return [*cut, cues[-1]]


def _carried_lines(before: ShownCue, cue: ShownCue) -> int:
    """Count the first lines of a cue that repeat the last lines of the cue before."""
    if not _touch(before, cue):
        return 0
    counts = [
        count
        for count in range(min(len(before.lines), len(cue.lines), _SCREEN_LINES), 0, -1)
        if _same_text(before.lines[-count:], cue.lines[:count])
        and not any(line.has_word_times for line in cue.lines[:count])
    ]
    if not counts:
        return 0
    # "yeah, yeah" after "yeah, yeah" is one more "yeah" that pushed the first one out, unless the cue is
    # brief.
    said_again = len(counts) > 1 and counts[0] == len(cue.lines) and not _is_brief(cue)
    return counts[1] if said_again else counts[0]


def _touch(before: ShownCue, cue: ShownCue) -> bool:
    return before.start <= cue.start <= before.end + TOUCHING


def _is_brief(cue: ShownCue) -> bool:
    return cue.end - cue.start <= BRIEF


def _same_text(some: Sequence[ShownLine], others: Sequence[ShownLine]) -> bool:
    return [line.text for line in some] == [line.text for line in others]
