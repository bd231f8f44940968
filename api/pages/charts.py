"""The geometry of the status page's charts, in SVG coordinates. Pure.

A chart is drawn in a view box of WIDTH by HEIGHT, which the browser stretches to the available space. That
would distort text, so labels are HTML next to the chart.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import msgspec

WIDTH, HEIGHT = 600, 200

_GAP = 1.0
"""The space on either side of a bar, and between two stacked bars."""

_MIN_BAR = 3.0
"""The minimum height of a bar, so that even one search is visible."""

_DASH = 6.0
"""The length of the line that shows a value without neighbours."""

_TOPS = (2, 4, 6, 8, 10, 12, 16)


class Bar(msgspec.Struct, frozen=True):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


class Stack(msgspec.Struct, frozen=True):
    """One position of a chart: two bars on top of each other. A bar of value 0 is None."""

    lower: Bar | None
    upper: Bar | None


def scale_top(largest: float) -> float:
    """Return the end of a scale from 0 to at least `largest`. Half of it is a round number too."""
    tops = (top * 10.0**power for power in count() for top in _TOPS)
    return next(top for top in tops if top >= largest)


def stack_bars(lower: Sequence[int], upper: Sequence[int], top: float) -> tuple[Stack, ...]:
    """Draw two stacked bars per position on a scale from 0 to `top`, which no sum may exceed."""
    step = WIDTH / len(lower)

    def bar(position: int, bottom: float, height: float) -> Bar | None:
        if not height:
            return None
        x, width = position * step + _GAP, step - 2 * _GAP
        return Bar(_rounded(x), _rounded(bottom - height), _rounded(width), _rounded(height))

    def stack(position: int) -> Stack:
        # Rounding up to the shortest bar must not push the other bar out of the chart, nor below that height.
        below = min(_height(lower[position], top), HEIGHT - (_MIN_BAR if upper[position] else 0))
        above = min(_height(upper[position], top), HEIGHT - below)
        gap = _GAP if below and above else 0.0
        return Stack(bar(position, HEIGHT, below), bar(position, HEIGHT - below - gap, above - gap))

    return tuple(map(stack, range(len(lower))))


def draw_line(values: Sequence[float | None], top: float) -> str:
    """Return an SVG path through the middle of each position. It has a gap at each None.

    A value without neighbours is a short horizontal line.
    """
    step = WIDTH / len(values)

    def point(position: int, value: float) -> str:
        return f"{_rounded((position + 0.5) * step):g} {_rounded(HEIGHT * (1 - value / top)):g}"

    def path(run: Sequence[tuple[int, float]]) -> str:
        if len(run) > 1:
            return f"M{'L'.join(point(*each) for each in run)}"
        return f"M{point(*run[0])}m-{_DASH / 2:g} 0h{_DASH:g}"

    return " ".join(map(path, _runs(values)))


def _height(value: int, top: float) -> float:
    return max(value / top * HEIGHT, _MIN_BAR) if value else 0.0


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for position, value in enumerate(values):
        if value is not None:
            run.append((position, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _rounded(length: float) -> float:
    return round(length, 1)
