"""The figures that a benchmark reports, each with its target and its conditions."""

import statistics
from collections.abc import Sequence

import msgspec
import numpy as np


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number. `met` is None if there is no target, or if it was not measured."""

    what: str
    value: float | None
    shown: str
    asked: str = "-"
    met: bool | None = None
    conditions: str = ""


class MissingDataError(Exception):
    """A benchmark cannot run here. The message names the missing data and how to get it."""


def at_most(what: str, value: float, limit: float, *, shown: str, asked: str = "", conditions: str) -> Figure:
    """Report a number whose target is at most `limit`."""
    asked = asked or f"<= {limit:g}"
    return Figure(what=what, value=value, shown=shown, asked=asked, met=value <= limit, conditions=conditions)


def at_least(
    what: str, value: float, limit: float, *, shown: str, asked: str = "", conditions: str
) -> Figure:
    """Report a number whose target is at least `limit`."""
    asked = asked or f">= {limit:g}"
    return Figure(what=what, value=value, shown=shown, asked=asked, met=value >= limit, conditions=conditions)


def without_target(what: str, value: float, *, shown: str, conditions: str) -> Figure:
    """Report a number without a target."""
    return Figure(what=what, value=value, shown=shown, conditions=conditions)


def skipped(what: str, why: str) -> Figure:
    """Report a number that was not measured, with the reason."""
    return Figure(what=what, value=None, shown=f"skipped: {why}")


def milliseconds(seconds: Sequence[float], percentile: float) -> float:
    """Return a percentile, 0 to 100, of durations in seconds as milliseconds."""
    return float(np.percentile(np.asarray(seconds), percentile)) * 1e3


def median_and_range(values: Sequence[float], form: str) -> str:
    """Format the median, the minimum and the maximum."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def print_table(figures: Sequence[Figure]) -> None:
    """Print the figures as a Markdown table."""
    words = {True: "yes", False: "NO", None: "-"}
    rows = [("measurement", "figure", "target", "met")]
    rows += [(figure.what, figure.shown, figure.asked, words[figure.met]) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for place, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if place == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
