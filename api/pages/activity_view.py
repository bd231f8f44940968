"""What the status page tells of the last hour's searches: figures, two charts, and a table of them. Pure."""

from collections.abc import Sequence

import msgspec

from api.observability.recent_searches import MINUTES, Figures, Hour
from api.pages.charts import Stack, draw_line, stack_bars, top_of
from api.pages.wording import latency
from retrieval.catalogue.wording import counted, share

_MILLISECONDS = 1000


class Axis(msgspec.Struct, frozen=True):
    """The words beside a scale from 0: at its top and at its half."""

    top: str
    half: str


class RateChart(msgspec.Struct, frozen=True):
    """Searches a minute: a stack each, answered below and refused or failed above."""

    stacks: tuple[Stack, ...]
    axis: Axis
    said: str


class LatencyChart(msgspec.Struct, frozen=True):
    """How long answers took: two paths."""

    median: str
    p95: str
    axis: Axis
    said: str


class MinuteRow(msgspec.Struct, frozen=True):
    """A minute in which there was a search, in words. `place` is where it stands in the charts, from 0."""

    place: int
    ago: str
    when: str
    answered: str
    refused: str
    median: str
    p95: str

    @property
    def said(self) -> str:
        """Say all of it in a line."""
        took = f"; half within {self.median}, 95% within {self.p95}" if self.median else ""
        return f"{self.when}: {self.answered} answered, {self.refused} refused or failed{took}"


class ActivityView(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour. `minutes` have those with a search, the last one first; charts are None without any."""

    since: str
    answered: str
    refused: str
    any_refused: bool
    median: str | None
    p95: str | None
    rate: RateChart | None
    latency: LatencyChart | None
    minutes: tuple[MinuteRow, ...]


def view_activity(hour: Hour) -> ActivityView:
    """Put the last hour's searches into words and pictures."""
    whole = hour.whole
    every = whole.answered + whole.refused
    return ActivityView(
        since=_since(hour),
        answered=f"{whole.answered:,}",
        refused=f"{whole.refused:,}" + (f" ({share(whole.refused, every)})" if whole.refused else ""),
        any_refused=whole.refused > 0,
        median=_latency(whole.median) or None,
        p95=_latency(whole.p95) or None,
        rate=_rate(hour) if every else None,
        latency=_latencies(hour) if whole.answered else None,
        minutes=tuple(
            _row(MINUTES - 1 - ago, ago, figures)
            for ago, figures in enumerate(reversed(hour.minutes))
            if _has_any(figures)
        ),
    )


def _since(hour: Hour) -> str:
    minutes = int(hour.seconds // 60)
    if minutes >= MINUTES:
        return "In the last hour"
    return f"Since the start {counted(minutes, 'minute')} ago" if minutes else "In the minute since the start"


def _rate(hour: Hour) -> RateChart:
    answered = [figures.answered for figures in hour.minutes]
    refused = [figures.refused for figures in hour.minutes]
    busiest = max(map(sum, zip(answered, refused, strict=True)))
    top = top_of(busiest)
    return RateChart(
        stack_bars(answered, refused, top),
        Axis(f"{top:,.0f}", f"{top / 2:,.0f}"),
        f"Searches a minute over the last hour: {hour.whole.answered:,} answered, {hour.whole.refused:,} "
        f"refused or failed, {busiest:,} in the busiest minute.",
    )


def _latencies(hour: Hour) -> LatencyChart:
    slowest = max(figures.p95 for figures in hour.minutes if figures.p95 is not None)
    top = top_of(slowest * _MILLISECONDS) / _MILLISECONDS

    def line(seconds: Sequence[float | None]) -> str:
        return draw_line(seconds, top)

    return LatencyChart(
        line([figures.median for figures in hour.minutes]),
        line([figures.p95 for figures in hour.minutes]),
        Axis(latency(top), latency(top / 2)),
        f"How long answers took over the last hour: half within {_latency(hour.whole.median)}, 95% within "
        f"{_latency(hour.whole.p95)}, {latency(slowest)} for the 95% of the slowest minute.",
    )


def _row(place: int, ago: int, figures: Figures) -> MinuteRow:
    return MinuteRow(
        place=place,
        ago=str(ago) if ago else "now",
        when=f"{counted(ago, 'minute')} ago" if ago else "This minute",
        answered=f"{figures.answered:,}",
        refused=f"{figures.refused:,}",
        median=_latency(figures.median),
        p95=_latency(figures.p95),
    )


def _has_any(figures: Figures) -> bool:
    return figures.answered + figures.refused > 0


def _latency(seconds: float | None) -> str:
    return "" if seconds is None else latency(seconds)
