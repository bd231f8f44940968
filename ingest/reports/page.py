"""The account of a run as one self-contained HTML page: no script, no font, no request. Pure.

A catalogue may contain any text. The page escapes every text, and shows invisible characters and characters
that change the direction of text as their codes.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
import msgspec

from ingest.reports.account import RunAccount
from ingest.reports.documents import reasons_of
from retrieval.catalogue.wording import DONE_LABELS, PLANNED_LABELS, duration, is_done, outcome_text, share

MOST_YEARS: Final = 40
"""The number of years with a bar of their own, the last ones."""

# The zero-width joiners are part of the spelling in Persian, in Indic scripts and in emoji.
_HARMLESS: Final = frozenset("\n\u200c\u200d")


class Tile(msgspec.Struct, frozen=True):
    """A number and its label; `bad` if it should be 0 and is not."""

    number: int
    label: str
    bad: bool = False


class CoverageRow(msgspec.Struct, frozen=True):
    """A bar that shows how many of some videos have a transcript."""

    label: str
    videos: int
    transcribed: int

    @property
    def share(self) -> str:
        """The share as text."""
        return share(self.transcribed, self.videos)

    @property
    def width(self) -> str:
        """The width of the bar in per cent."""
        return f"{100 * self.transcribed / self.videos:.1f}" if self.videos else "0"


class Reason(msgspec.Struct, frozen=True):
    """A kind of problem of rows, how often it occurred, and its first occurrence."""

    severity: str
    code: str
    count: int
    first: str


def render_page(account: RunAccount) -> str:
    """Render the page of a run that has ended."""
    reasons = _reasons(account)
    counts = account.counts
    return _template().render(
        account=account,
        headline=outcome_text(account.outcome),
        tone=str(account.outcome).replace(" ", "-"),
        took=duration((account.ended_at - account.began_at).total_seconds()),
        done=is_done(account.outcome),
        tiles=tiles_of(account),
        whole=_whole(account),
        has_years=any(year is not None for year in counts.videos),
        years=year_rows(counts.videos, counts.transcribed),
        untranscribed=counts.videos.total() - counts.transcribed.total(),
        rejections=reasons["rejected"],
        reasons=[*reasons["warning"], *reasons["note"]],
        files=[file for file in (account.quarantine_name, *account.row_reports) if file],
    )


def tiles_of(account: RunAccount) -> list[Tile]:
    """Return the counts of a run, the most important first."""
    labels = DONE_LABELS if is_done(account.outcome) else PLANNED_LABELS
    actions, rejected = account.actions, account.counts.rejected
    return [
        Tile(account.counts.rows, "row read" if account.counts.rows == 1 else "rows read"),
        *(Tile(actions[name], label) for name, label in labels.items() if name in actions),
        Tile(rejected, "row rejected" if rejected == 1 else "rows rejected", bad=rejected > 0),
    ]


def year_rows(videos: Mapping[int | None, int], transcribed: Mapping[int | None, int]) -> list[CoverageRow]:
    """Return a bar for each year, one for all years before the last forty, and one for videos without a date.

    Years without videos have one too, unless a wrong date would cause thousands of them.
    """
    years = sorted(year for year in videos if year is not None)
    if years and years[-1] - years[0] < MOST_YEARS:
        years = [*range(years[0], years[-1] + 1)]
    early, late = years[:-MOST_YEARS], years[-MOST_YEARS:]

    def row(label: str, years: Iterable[int | None]) -> CoverageRow:
        years = [*years]
        return CoverageRow(
            label, sum(videos.get(y, 0) for y in years), sum(transcribed.get(y, 0) for y in years)
        )

    rows = [row(str(year), [year]) for year in late]
    if early:
        rows.insert(0, row(f"{early[0]} to {early[-1]}" if len(early) > 1 else str(early[0]), early))
    if videos.get(None):
        rows.append(row("no date", [None]))
    return rows


def visible(text: str) -> str:
    r"""Write characters that are invisible or change the direction of text as codes such as \u202e."""
    if text.isprintable():
        return text
    return "".join(character if _is_visible(character) else _code(character) for character in text)


def _is_visible(character: str) -> bool:
    return character.isprintable() or character in _HARMLESS or unicodedata.category(character) == "Zs"


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _finalize(value: object) -> object:
    """Make every value of the template visible text, except Markup, which is the template's own."""
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


def _whole(account: RunAccount) -> list[CoverageRow]:
    """Compare the sources with the live versions before and after the run."""
    counts = account.counts
    rows = [CoverageRow("these sources", counts.videos.total(), counts.transcribed.total())]
    for label, live in (("live before", account.before), ("live now", account.published)):
        if live:
            rows.append(CoverageRow(label, live.counts.videos, live.counts.videos_with_transcript))
    return rows


def _reasons(account: RunAccount) -> dict[str, list[Reason]]:
    return {
        severity: [
            Reason(severity, code, count, str(account.examples.get((severity, code), "")))
            for code, count in counts.items()
        ]
        for severity, counts in reasons_of(account).items()
    }
