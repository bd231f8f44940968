"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


class Step(Protocol):
    """A long step whose advance is shown."""

    def advance(self, done: int) -> None:
        """Say that `done` more units are done."""


@contextmanager
def shown_step(console: Console, label: str, total: int) -> Iterator[Step]:
    """Show a step of `total` units, with its rate and the time left."""
    if not console.is_terminal:
        yield _Lines(console, label, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, label, total)


class _Bar:
    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total)

    def advance(self, done: int) -> None:
        self._progress.advance(self._task, done)


class _Lines:
    def __init__(self, console: Console, label: str, total: int) -> None:
        self._console = console
        self._label = label
        self._total = total
        self._done = 0
        self._began = self._told = monotonic()

    def advance(self, done: int) -> None:
        self._done += done
        now = monotonic()
        if self._done >= self._total or now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            rate = self._done / max(now - self._began, 1e-9)
            self._console.print(f"{self._label}: {self._done} of {self._total}, {rate:.0f} a second")
