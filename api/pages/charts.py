"""The geometry of the status page's charts, as SVG has it. Pure.

A chart is drawn on a field of WIDTH by HEIGHT that is stretched to whatever room there is. So its words stand
beside it, in the page's own type, and never in it.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import msgspec

WIDTH, HEIGHT = 600, 200

_GAP = 1.0
"""Beside a bar, on either side, and between two that stand upon each other."""

_LEAST = 3.0
"""The height of the least bar: what was there is seen."""

_ALONE = 6.0
"""The length of the line of a value that stands alone."""

_TOPS = (2, 4, 6, 8, 10, 12, 16)


class Bar(msgspec.Struct, frozen=True):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


class Stack(msgspec.Struct, frozen=True):
    """One place of a chart: its two bars, the second upon the first, each None where there was nothing."""

    lower: Bar | None
    upper: Bar | None


def top_of(largest: float) -> float:
    """Choose the top of a scale from 0, so that half of it is a round number too: 2, 4, 6, 8, 10, 12, 16."""
    tops = (top * 10.0**power for power in count() for top in _TOPS)
    return next(top for top in tops if top >= largest)


def stack_bars(lower: Sequence[int], upper: Sequence[int], top: float) -> tuple[Stack, ...]:
    """Draw two bars a place, one upon the other, on a scale from 0 to `top`, which no place exceeds."""
    room = WIDTH / len(lower)

    def bar(place: int, ground: float, height: float) -> Bar | None:
        if not height:
            return None
        x, width = place * room + _GAP, room - 2 * _GAP
        return Bar(_rounded(x), _rounded(ground - height), _rounded(width), _rounded(height))

    def stack(place: int) -> Stack:
        above = _height(upper[place], top)
        below = min(_height(lower[place], top), HEIGHT - above)
        apart = _GAP if below and above else 0.0
        return Stack(bar(place, HEIGHT, below), bar(place, HEIGHT - below - apart, above - apart))

    return tuple(map(stack, range(len(lower))))


def draw_line(values: Sequence[float | None], top: float) -> str:
    """Draw a line through the middle of each place, as a path; it breaks off where there is no value.

    A value that stands alone is a short line of its own.
    """
    room = WIDTH / len(values)

    def point(place: int, value: float) -> str:
        return f"{_rounded((place + 0.5) * room):g} {_rounded(HEIGHT * (1 - value / top)):g}"

    def path(run: Sequence[tuple[int, float]]) -> str:
        if len(run) > 1:
            return f"M{'L'.join(point(*each) for each in run)}"
        return f"M{point(*run[0])}m-{_ALONE / 2:g} 0h{_ALONE:g}"

    return " ".join(map(path, _runs(values)))


def _height(value: int, top: float) -> float:
    return max(value / top * HEIGHT, _LEAST) if value else 0.0


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _rounded(length: float) -> float:
    return round(length, 1)
