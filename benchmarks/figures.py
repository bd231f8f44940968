"""What a benchmark reports: figures, each with what was asked for and the conditions it was taken under."""

import statistics
from collections.abc import Sequence

import msgspec
import numpy as np


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number. `met` is None where nothing was asked for, or where it was not measured."""

    what: str
    value: float | None
    shown: str
    asked: str = "-"
    met: bool | None = None
    conditions: str = ""


class MissingDataError(Exception):
    """A benchmark cannot run here; the message says what is absent and how to get it."""


def at_most(what: str, value: float, limit: float, *, shown: str, asked: str = "", conditions: str) -> Figure:
    """Report a number that should be no more than `limit`."""
    asked = asked or f"<= {limit:g}"
    return Figure(what=what, value=value, shown=shown, asked=asked, met=value <= limit, conditions=conditions)


def at_least(
    what: str, value: float, limit: float, *, shown: str, asked: str = "", conditions: str
) -> Figure:
    """Report a number that should be no less than `limit`."""
    asked = asked or f">= {limit:g}"
    return Figure(what=what, value=value, shown=shown, asked=asked, met=value >= limit, conditions=conditions)


def told(what: str, value: float, *, shown: str, conditions: str) -> Figure:
    """Report a number of which nothing was asked."""
    return Figure(what=what, value=value, shown=shown, conditions=conditions)


def skipped(what: str, why: str) -> Figure:
    """Report that something was not measured, and why."""
    return Figure(what=what, value=None, shown=f"skipped: {why}")


def milliseconds(seconds: Sequence[float], percentile: float) -> float:
    """Give a percentile, 0 to 100, of durations in seconds."""
    return float(np.percentile(np.asarray(seconds), percentile)) * 1e3


def median_and_range(values: Sequence[float], form: str) -> str:
    """Show a median, and from where to where the values go."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def print_table(figures: Sequence[Figure]) -> None:
    """Print the closing table, in Markdown."""
    words = {True: "yes", False: "NO", None: "-"}
    rows = [("what", "figure", "asked for", "met?")]
    rows += [(figure.what, figure.shown, figure.asked, words[figure.met]) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for place, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if place == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
