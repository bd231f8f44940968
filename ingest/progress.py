"""The progress of a run: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from retrieval.catalogue.wording import duration

_SECONDS_BETWEEN_LINES = 10.0
_BAR_WIDTH = 20
"""With its figures, a bar of so many columns fits into 80 columns."""

_SLOW_RATE = 10
"""Rates below this have one decimal."""


@contextmanager
def shown_step(
    console: Console, label: str, total: int | None = None, *, clock: Callable[[], float] = monotonic
) -> Iterator[Callable[[int], None]]:
    """Show the progress of a step of `total` units: its rate and, if the total is known, the time left.

    Yields a function that adds finished units.
    """
    if not console.is_terminal:
        yield _Lines(console, label, total, clock).advance
        return
    known = (MofNCompleteColumn(), _Rate(), _Left()) if total else (_Done(), _Rate())
    # Without a total, a finished bar has nothing to show.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(_BAR_WIDTH),
        *known,
        console=console,
        transient=total is None,
    ) as progress:
        yield partial(progress.advance, progress.add_task(label, total=total))


def _rate(units_per_second: float) -> str:
    return f"{units_per_second:,.{0 if units_per_second >= _SLOW_RATE else 1}f}"


class _Rate(ProgressColumn):
    """The recent rate in units per second."""

    def render(self, task: Task) -> Text:
        speed = _speed(task)
        return Text("" if speed is None else f"{_rate(speed)}/s")


class _Left(ProgressColumn):
    """The estimated time left."""

    def render(self, task: Task) -> Text:
        speed = _speed(task)
        if not speed or task.finished or task.remaining is None:
            return Text("")
        return Text(f"{duration(round(task.remaining / speed))} left")


def _speed(task: Task) -> float | None:
    """Return the units per second, known from the first batch on.

    The recent speed of rich needs two batches, and one may take a minute.
    """
    speed = task.finished_speed or task.speed
    if speed is None and task.completed and task.elapsed:
        return task.completed / task.elapsed
    return speed


class _Done(ProgressColumn):
    """The number of finished units, if the total is unknown."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}")


class _Lines:
    def __init__(self, console: Console, label: str, total: int | None, clock: Callable[[], float]) -> None:
        self._console = console
        self._label = label
        self._total = total
        self._done = 0
        self._clock = clock
        self._began = self._printed = clock()

    def advance(self, done: int) -> None:
        self._done += done
        now = self._clock()
        is_complete = self._total is not None and self._done >= self._total
        if is_complete or now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            self._console.print(f"{self._label}: {self._done:,}{self._details(now)}")

    def _details(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-9)
        per_second = f", {_rate(rate)} per second"
        if self._total is None:
            return per_second
        left = round((self._total - self._done) / max(rate, 1e-9))
        return f" of {self._total:,}{per_second}" + (f", {duration(left)} left" if left else "")
