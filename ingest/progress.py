"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_SECONDS_BETWEEN_LINES = 10.0
_FEW = 10
"""Fewer a second are told with a decimal."""


class Step(Protocol):
    """A long step whose advance is shown."""

    def advance(self, done: int) -> None:
        """Say that `done` more units are done."""


@contextmanager
def shown_step(console: Console, label: str, total: int | None = None) -> Iterator[Step]:
    """Show a step of `total` units, with its rate and, where the total is known, the time left."""
    if not console.is_terminal:
        yield _Lines(console, label, total)
        return
    known = (MofNCompleteColumn(), _Rate(), TimeRemainingColumn()) if total else (_Done(), _Rate())
    # A step that nobody knew the length of has nothing to show once it is over.
    with Progress(
        TextColumn("{task.description}"), BarColumn(), *known, console=console, transient=total is None
    ) as progress:
        yield _Bar(progress, label, total)


class _Rate(ProgressColumn):
    """Units a second, lately."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.{0 if speed >= _FEW else 1}f}/s")


class _Done(ProgressColumn):
    """Units done, of nobody knows how many."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}")


class _Bar:
    def __init__(self, progress: Progress, label: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total)

    def advance(self, done: int) -> None:
        self._progress.advance(self._task, done)


class _Lines:
    def __init__(self, console: Console, label: str, total: int | None) -> None:
        self._console = console
        self._label = label
        self._total = total
        self._done = 0
        self._began = self._told = monotonic()

    def advance(self, done: int) -> None:
        self._done += done
        now = monotonic()
        is_over = self._total is not None and self._done >= self._total
        if is_over or now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            self._console.print(f"{self._label}: {self._done:,}{self._rest(now)}")

    def _rest(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-9)
        told = f", {rate:,.{0 if rate >= _FEW else 1}f} a second"
        if self._total is None:
            return told
        left = timedelta(seconds=round((self._total - self._done) / max(rate, 1e-9)))
        return f" of {self._total:,}{told}" + (f", {left} left" if left else "")
