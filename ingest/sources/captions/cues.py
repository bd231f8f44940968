"""What a screen showed, made into what was said: each word once, at its time (pure).

Automatic captions roll: a new line appears below the one before, which moves up and is written again in the
next cue, often with a cue of 10 ms between that shows nothing new. Read as they stand, they say everything
two or three times.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from retrieval.catalogue.display_text import clean_for_display

TOUCHING: Final = 0.1
"""Seconds. A line that rolls up does so at once; one that is back after longer was said again."""
BRIEF: Final = 0.05
"""Seconds. Nobody reads a cue that is shown so shortly: it is there for the player's scrolling."""

_SCREEN_LINES: Final = 8

_WORD_TIME: Final = re.compile(r"<\d[\d:.]*>")
_LINE_BREAK: Final = re.compile(r"<br\s?/?>|\[br\]", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")


class ShownLine(NamedTuple):
    """A line of a cue, cleaned. One that has times for its words is new, not one that rolled up."""

    text: str
    has_word_times: bool = False


class ShownCue(NamedTuple):
    """What a file shows from `start` to `end`, in seconds; its lines have text in them."""

    start: float
    end: float
    lines: tuple[ShownLine, ...]


def shown_cue(start: float, end: float, lines: Iterable[str]) -> ShownCue:
    """Clean the lines of a cue: without tags for looks, voices and word times, nor the lines left empty."""
    cleaned = (
        ShownLine(_without_tags(line), _WORD_TIME.search(line) is not None) for line in lines if line.strip()
    )
    return ShownCue(start, end, tuple(line for line in cleaned if line.text))


def _without_tags(line: str) -> str:
    return clean_for_display(_TAG.sub("", _LINE_BREAK.sub(" ", line)))


def are_rolling(cues: Sequence[ShownCue]) -> bool:
    """Say whether these are captions that roll up.

    They are where at least half of the cues which have several lines and follow at once begin with lines of
    the cue before. People do say things twice, so it takes two signs: two such cues, or one and a brief cue
    that only repeats; or else one sign in a file that has times for single words, as songs have too.
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


def merge_cues(cues: Sequence[ShownCue]) -> list[dict[str, Any]]:
    """Return what was said, in the order given, as `{start, end, text}`: no line twice for being shown twice.

    Of captions that roll, a cue keeps the lines that are new in it. Of any, a cue that repeats the one
    before it in time and text is left out, as files have it that draw a shadow. Cues without text are left
    out. Times are the cue's own.
    """
    rolling = are_rolling(cues)
    said: list[dict[str, Any]] = []
    before: ShownCue | None = None
    for cue in cues:
        if not cue.lines:
            continue
        carried = _carried_lines(before, cue) if rolling and before else 0
        text = " ".join(line.text for line in cue.lines[carried:])
        new = {"start": cue.start, "end": cue.end, "text": text}
        if text and said[-1:] != [new]:
            said.append(new)
        before = cue
    return said


def end_where_next_starts(cues: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cut cues short that stay on the screen while the next is spoken, if most of them do.

    Lists made from automatic captions give the time until a line has rolled out of sight. Where only few
    overlap, people do speak at once.
    """
    overlaps = [cue["start"] < after["start"] < cue["end"] for cue, after in pairwise(cues)]
    if 2 * sum(overlaps) <= len(overlaps):
        return list(cues)
    cut = [
        cue | {"end": after["start"]} if overlapping else cue
        for (cue, after), overlapping in zip(pairwise(cues), overlaps, strict=True)
    ]
    return [*cut, cues[-1]]


def _carried_lines(before: ShownCue, cue: ShownCue) -> int:
    """Count the lines at the cue's beginning which are those at the end of the cue before."""
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
    # "yeah, yeah" after "yeah, yeah" is one more "yeah" that pushed the first one out, unless it is gone
    # again at once.
    said_again = len(counts) > 1 and counts[0] == len(cue.lines) and not _is_brief(cue)
    return counts[1] if said_again else counts[0]


def _touch(before: ShownCue, cue: ShownCue) -> bool:
    return before.start <= cue.start <= before.end + TOUCHING


def _is_brief(cue: ShownCue) -> bool:
    return cue.end - cue.start <= BRIEF


def _same_text(some: Sequence[ShownLine], others: Sequence[ShownLine]) -> bool:
    return [line.text for line in some] == [line.text for line in others]
