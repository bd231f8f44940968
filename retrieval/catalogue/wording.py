"""Numbers, times and outcomes of runs in words, the same on pages, in reports and on the terminal. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from retrieval.catalogue.runs import RESTORED, RunOutcome

DRY_RUN = "dry run"
"""The outcome of a dry run that found no fault. The log of runs never contains it."""

NOT_ENDED = "not ended"
"""The outcome of a run that is still running or was killed, as `/health` reports it."""

_OUTCOMES = {
    RunOutcome.PUBLISHED: "Published",
    RunOutcome.UNCHANGED: "No changes",
    RunOutcome.REFUSED: "Refused",
    RunOutcome.FAILED: "Failed",
    RunOutcome.STOPPED: "Stopped",
    NOT_ENDED: "Not finished",
    DRY_RUN: "Dry run",
}

DONE_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "add": "added",
        "re-embed": "re-embedded",
        "update": "updated",
        "remove": "removed",
        "keep": "unchanged",
        RESTORED: "restored",
        "rejected": "rejected",
    }
)
"""Labels for the counts of a run that did what it planned, in the order in which they are shown."""

PLANNED_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "add": "to add",
        "re-embed": "to re-embed",
        "update": "to update",
        "remove": "to remove",
        "keep": "to keep",
        RESTORED: "to restore",
        "rejected": "rejected",
    }
)
"""Labels for the counts of a run that did not do what it planned."""

HOW_TO_GET_TIMES = (
    "To get times, sync caption files (yt-dlp --write-subs --write-auto-subs) or add a column cues: see "
    "docs/ingest.md."
)

_MINUTE, _HOUR = 60, 3600


def counted(number: int, noun: str) -> str:
    """Format a count: `1 video`, `1,204 videos`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(part: float, whole: float = 1.0) -> str:
    """Format a share as a percentage. Only the whole is `100%`, only nothing is `0%`; no whole is a dash."""
    if not whole:
        return "\N{EN DASH}"
    percent = round(100 * part / whole)
    if percent == 100 and part < whole:  # noqa: PLR2004 - per cent.
        return ">99%"
    return "<1%" if percent == 0 and part > 0 else f"{percent}%"


def duration(seconds: float) -> str:
    """Format a duration in its two largest units: `0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`, `2 h`."""
    tenths = max(0.0, round(seconds, 1))
    if tenths < 10:  # noqa: PLR2004 - seconds.
        return f"{tenths:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two_units(whole // _MINUTE, "min", whole % _MINUTE, "s")
    return _two_units(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")


def timestamp(at: datetime) -> str:
    """Format a timezone-aware time to the minute: `2024-05-31 12:30 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def outcome_text(outcome: str | None) -> str:
    """Format the outcome of a run: a RunOutcome, None or NOT_ENDED, or DRY_RUN."""
    return _OUTCOMES[outcome or NOT_ENDED]


def times_text(transcripts: int, timed: int | None) -> str | None:
    """Report transcripts without times, and how to get times; None if all have times or it is unknown."""
    if timed is None or timed >= transcripts:
        return None
    if timed == 0:
        lack = f"{counted(transcripts, 'transcript')}, none with times: moments open at the beginning."
    else:
        lack = (
            f"{counted(transcripts, 'transcript')}, {timed:,} with times: moments of the others open at the "
            "beginning."
        )
    return f"{lack} {HOW_TO_GET_TIMES}"


def is_done(outcome: str | None) -> bool:
    """Return whether a run with this outcome did what it planned."""
    return outcome in {RunOutcome.PUBLISHED, RunOutcome.UNCHANGED}


def counts_text(counts: Mapping[str, int], outcome: str | None) -> str:
    """Format the counts of a run: `2 added, 5 unchanged` or `Planned: 2 to add`; empty if all are 0."""
    labels = DONE_LABELS if is_done(outcome) else PLANNED_LABELS
    text = ", ".join(f"{counts[name]:,} {label}" for name, label in labels.items() if counts.get(name))
    return text if is_done(outcome) or not text else f"Planned: {text}"


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large:,} {large_unit}" + (f" {small} {small_unit}" if small else "")
