import signal
from collections.abc import Iterator

import pytest

from ingest.commands import signals
from ingest.commands.signals import ONE_STOP, handlers_given_back, stop_at_signals


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that is set by hand, and the process's own handlers afterwards."""
    now = [0.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    with handlers_given_back():
        yield now


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_and_one_that_soon_follows_does_not_cut_off_the_cleaning_up(
    clock: list[float], number: signal.Signals
) -> None:
    stop_at_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    clock[0] += ONE_STOP / 2
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    clock[0] += ONE_STOP / 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_whoever_called_a_command_hears_signals_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with handlers_given_back():
        stop_at_signals()
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
