import io

import pytest
from rich.console import Console
from rich.progress import Progress

from ingest.progress import _Left, shown_step
from tests.support.clock import Clock


def test_without_a_terminal_lines_are_printed_regularly_and_at_the_end(clock: Clock) -> None:
    out = io.StringIO()
    with shown_step(Console(file=out), "Embedding videos", 100, clock=clock) as advance:
        for _ in range(50):
            clock.now += 1.0
            advance(2)
    lines = out.getvalue().splitlines()
    assert lines == [
        "Embedding videos: 20 of 100, 2.0 per second, 40 s left",
        "Embedding videos: 40 of 100, 2.0 per second, 30 s left",
        "Embedding videos: 60 of 100, 2.0 per second, 20 s left",
        "Embedding videos: 80 of 100, 2.0 per second, 10 s left",
        "Embedding videos: 100 of 100, 2.0 per second",
    ]


def test_a_short_step_is_one_line(clock: Clock) -> None:
    out = io.StringIO()
    with shown_step(Console(file=out), "Embedding videos", 3, clock=clock) as advance:
        advance(1)
        clock.now += 0.5
        advance(2)
    assert out.getvalue() == "Embedding videos: 3 of 3, 6.0 per second\n"


def test_a_step_that_takes_no_time_is_printed_too(clock: Clock) -> None:
    out = io.StringIO()
    with shown_step(Console(file=out), "Embedding videos", 1, clock=clock) as advance:
        advance(1)
    assert out.getvalue().startswith("Embedding videos: 1 of 1, ")


def test_a_step_without_a_total_prints_lines_regularly_but_none_at_the_end(clock: Clock) -> None:
    out = io.StringIO()
    with shown_step(Console(file=out), "Reading the sources, rows", clock=clock) as advance:
        for _ in range(15):
            clock.now += 1.0
            advance(100)
    assert out.getvalue() == "Reading the sources, rows: 1,000, 100 per second\n"


def test_a_terminal_shows_the_progress_of_a_step_without_a_total_and_clears_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with shown_step(console, "Reading the sources, rows") as advance:
        advance(3000)
    shown = out.getvalue()
    assert "3,000" in shown
    assert shown.endswith("\x1b[2K")  # The line is cleared.


def test_a_terminal_has_a_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with shown_step(console, "Embedding videos", 8) as advance:
        advance(3)
        advance(5)
    assert "Embedding videos" in out.getvalue()
    assert "8/8" in out.getvalue()
    assert "/s " in out.getvalue()


@pytest.mark.parametrize(("batches", "left"), [([2], "12 s left"), ([2, 4], "1.0 s left"), ([2, 4, 2], "")])
def test_a_bar_has_the_time_left_from_the_first_batch_on(batches: list[int], left: str, clock: Clock) -> None:
    progress = Progress(_Left(), get_time=lambda: clock.now)
    task = progress.add_task("Embedding videos", total=8)
    assert str(_Left().render(progress.tasks[task])) == ""
    for batch in batches:
        clock.now += 4.0 if batch == 2 else 2.0
        progress.advance(task, batch)
    assert str(_Left().render(progress.tasks[task])) == left
