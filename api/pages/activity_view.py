"""The view model of the last hour's searches: totals, two charts and a table. Pure."""

from collections.abc import Sequence

import msgspec

from api.observability.recent_searches import MINUTES, Figures, Hour
from api.pages.charts import Stack, draw_line, scale_top, stack_bars
from api.pages.wording import latency
from retrieval.catalogue.wording import counted, share

_MILLISECONDS = 1000


class Axis(msgspec.Struct, frozen=True):
    """The labels at the top and in the middle of a scale from 0."""

    top: str
    half: str


class RateChart(msgspec.Struct, frozen=True):
    """Searches per minute, as stacked bars: answered ones below, refused or failed ones above."""

    stacks: tuple[Stack, ...]
    axis: Axis
    description: str


class LatencyChart(msgspec.Struct, frozen=True):
    """The latency of answered searches, as two SVG paths."""

    median: str
    p95: str
    axis: Axis
    description: str


class MinuteRow(msgspec.Struct, frozen=True):
    """A minute with at least one search. `position` is its position in the charts, from 0."""

    position: int
    ago: str
    when: str
    answered: str
    refused: str
    median: str
    p95: str

    @property
    def tooltip(self) -> str:
        """Summarise the minute in one line."""
        took = f"; median {self.median}, 95th percentile {self.p95}" if self.median else ""
        return f"{self.when}: {self.answered} answered, {self.refused} refused or failed{took}"


class ActivityView(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour. `minutes` has those with a search, the last one first. Without any, charts are None."""

    period: str
    answered: str
    refused: str
    any_refused: bool
    median: str | None
    p95: str | None
    rate: RateChart | None
    latency: LatencyChart | None
    minutes: tuple[MinuteRow, ...]


def view_activity(hour: Hour) -> ActivityView:
    """Describe the searches of the last hour."""
    whole = hour.whole
    searches = whole.answered + whole.refused
    return ActivityView(
        period=_period(hour),
        answered=f"{whole.answered:,}",
        refused=f"{whole.refused:,}" + (f" ({share(whole.refused, searches)})" if whole.refused else ""),
        any_refused=whole.refused > 0,
        median=_latency(whole.median) or None,
        p95=_latency(whole.p95) or None,
        rate=_rate(hour) if searches else None,
        latency=_latencies(hour) if whole.answered else None,
        minutes=tuple(
            _row(MINUTES - 1 - ago, ago, figures)
            for ago, figures in enumerate(reversed(hour.minutes))
            if _has_any(figures)
        ),
    )


def _period(hour: Hour) -> str:
    minutes = int(hour.seconds // 60)
    if minutes >= MINUTES:
        return "In the last hour"
    ago = f"{counted(minutes, 'minute')} ago" if minutes else "less than a minute ago"
    return f"Since the service started {ago}"


def _rate(hour: Hour) -> RateChart:
    answered = [figures.answered for figures in hour.minutes]
    refused = [figures.refused for figures in hour.minutes]
    busiest = max(map(sum, zip(answered, refused, strict=True)))
    top = scale_top(busiest)
    return RateChart(
        stack_bars(answered, refused, top),
        Axis(f"{top:,.0f}", f"{top / 2:,.0f}"),
        f"Searches per minute in the last hour: {hour.whole.answered:,} answered, {hour.whole.refused:,} "
        f"refused or failed, {busiest:,} in the busiest minute.",
    )


def _latencies(hour: Hour) -> LatencyChart:
    slowest = max(figures.p95 for figures in hour.minutes if figures.p95 is not None)
    top = scale_top(slowest * _MILLISECONDS) / _MILLISECONDS

    def line(seconds: Sequence[float | None]) -> str:
        return draw_line(seconds, top)

    return LatencyChart(
        line([figures.median for figures in hour.minutes]),
        line([figures.p95 for figures in hour.minutes]),
        Axis(latency(top), latency(top / 2)),
        f"Latency in the last hour: median {_latency(hour.whole.median)}, 95th percentile "
        f"{_latency(hour.whole.p95)}, {latency(slowest)} in the slowest minute.",
    )


def _row(position: int, ago: int, figures: Figures) -> MinuteRow:
    return MinuteRow(
        position=position,
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
