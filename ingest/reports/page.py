"""A report as one HTML page that needs nothing but itself: no script, no font, no request. Pure.

What stands in a catalogue is anybody's. Every text in the page is escaped, and characters that would not be
seen, or that would turn the order of others around, are written as their codes.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
import msgspec

from ingest.reports.profile import CatalogueProfile, Histogram, YearCoverage
from ingest.reports.summary import RefusedRow, RunSummary
from ingest.rows.row import RowProblem
from retrieval.catalogue.wording import DONE_LABELS, PLANNED_LABELS, duration, is_done, outcome_text, share

MOST_YEARS: Final = 40
"""How many years have a bar of their own, the last ones."""

# The joiners are spelling in Persian, in Indic scripts and in emoji.
_HARMLESS: Final = frozenset("\n\u200c\u200d")


class Tile(msgspec.Struct, frozen=True):
    """A number and what it counts; `bad` where it should be 0."""

    number: int
    label: str
    bad: bool = False


class CoverageRow(msgspec.Struct, frozen=True):
    """A bar of how many of some videos have a transcript; `width` is in per cent."""

    label: str
    videos: int
    transcribed: int

    @property
    def share(self) -> str:
        """The share as text."""
        return share(self.transcribed, self.videos)

    @property
    def width(self) -> str:
        """The share as the width of a bar."""
        return _width(self.transcribed, self.videos)


class LengthRow(msgspec.Struct, frozen=True):
    """A bar of how many videos have a length; `width` is in per cent of the longest bar's."""

    label: str
    videos: int
    width: str


class Reason(msgspec.Struct, frozen=True):
    """How often there was something to tell about a row, and the first time that there was."""

    severity: str
    code: str
    count: int
    first: str


def render_page(
    summary: RunSummary, refused: Sequence[RefusedRow], examples: Mapping[str, RowProblem]
) -> str:
    """Write the page; `refused` are the first rejected rows, `examples` one problem a severity and code."""
    profile = summary.profile
    reasons = _reasons(summary, examples)
    return _template().render(
        summary=summary,
        headline=outcome_text(summary.outcome),
        tone=summary.outcome.replace(" ", "-"),
        took=duration((summary.ended_at - summary.began_at).total_seconds()),
        done=is_done(summary.outcome),
        tiles=tiles_of(summary),
        whole=_whole(summary),
        years=year_rows(profile),
        words=length_rows(profile.words, whole_numbers=True),
        minutes=length_rows(profile.minutes, whole_numbers=False),
        words_total=_words_total(profile.words),
        minutes_total=_minutes_total(profile.minutes),
        rejections=reasons["rejected"],
        reasons=[*reasons["warning"], *reasons["note"]],
        refused=refused,
        files=[file for file in (summary.quarantine, *summary.row_reports) if file],
    )


def tiles_of(summary: RunSummary) -> list[Tile]:
    """Say what the run counted, in the order in which it matters."""
    labels = DONE_LABELS if is_done(summary.outcome) else PLANNED_LABELS
    counts = [Tile(count, labels[action]) for action, count in summary.actions.items()]
    return [
        Tile(summary.rows, "rows read"),
        *counts,
        Tile(summary.rejected, "rows rejected", bad=summary.rejected > 0),
    ]


def year_rows(profile: CatalogueProfile) -> list[CoverageRow]:
    """Give a bar to each year, to all years before the last forty, and to the videos without a date.

    Years without videos have one too, unless a stray date would make them thousands.
    """
    known = {year.year: year for year in profile.years}
    years = sorted(known)
    if years and years[-1] - years[0] < MOST_YEARS:
        years = [*range(years[0], years[-1] + 1)]
    early, late = years[:-MOST_YEARS], years[-MOST_YEARS:]
    rows = [_year_row(str(year), [known[year]] if year in known else []) for year in late]
    if early:
        label = f"{early[0]} to {early[-1]}" if len(early) > 1 else str(early[0])
        rows.insert(0, _year_row(label, [known[year] for year in early]))
    if profile.undated.videos:
        rows.append(CoverageRow("no date", profile.undated.videos, profile.undated.transcribed))
    return rows


def length_rows(histogram: Histogram, *, whole_numbers: bool) -> list[LengthRow]:
    """Give a bar to each bin; the label of one of whole numbers ends with the last of them."""
    most = max((bin_.videos for bin_ in histogram.bins), default=0)
    rows = []
    for bin_ in histogram.bins:
        if bin_.below is None:
            label = f"{bin_.at_least:,} or more"
        elif not bin_.at_least:
            label = f"under {bin_.below:,}"
        else:
            label = f"{bin_.at_least:,}\N{EN DASH}{bin_.below - whole_numbers:,}"
        rows.append(LengthRow(label, bin_.videos, _width(bin_.videos, most)))
    return rows


def visible(text: str) -> str:
    r"""Write as \u202e and the like what cannot be seen, or changes the direction of other characters."""
    if text.isprintable():
        return text
    return "".join(character if _is_seen(character) else _code(character) for character in text)


def _is_seen(character: str) -> bool:
    return character.isprintable() or character in _HARMLESS or unicodedata.category(character) == "Zs"


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _finalize(value: object) -> object:
    """Make whatever a template puts out fit to be seen; Markup is the template's own."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return f"{value:,}" if isinstance(value, int) else value


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _whole(summary: RunSummary) -> list[CoverageRow]:
    """Compare the sources with what was live before and is live now."""
    rows = [
        CoverageRow("these sources", summary.profile.coverage.videos, summary.profile.coverage.transcribed)
    ]
    for label, counts in (("live before", summary.before), ("live now", summary.after)):
        if counts:
            rows.append(CoverageRow(label, counts.videos, counts.videos_with_transcript))
    return rows


def _year_row(label: str, years: Sequence[YearCoverage]) -> CoverageRow:
    return CoverageRow(label, sum(year.videos for year in years), sum(year.transcribed for year in years))


def _reasons(summary: RunSummary, examples: Mapping[str, RowProblem]) -> dict[str, list[Reason]]:
    return {
        severity: [
            Reason(severity, code, count, str(examples.get(f"{severity}: {code}", "")))
            for code, count in counts.items()
        ]
        for severity, counts in summary.reasons.items()
    }


def _words_total(words: Histogram) -> str:
    return f"{words.total:,.0f} words in {words.known:,} transcripts." + (
        f" Without one: {words.without:,}." if words.without else ""
    )


def _minutes_total(minutes: Histogram) -> str:
    return f"{minutes.total / 60:,.0f} hours in {minutes.known:,} videos." + (
        f" Not known: {minutes.without:,}." if minutes.without else ""
    )


def _width(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"
