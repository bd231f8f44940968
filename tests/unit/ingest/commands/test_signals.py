import signal
from collections.abc import Iterator

import pytest

from ingest.commands.signals import REPEATED_SIGNAL_SECONDS, restored_handlers, stop_at_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    with restored_handlers():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_and_a_repeated_one_does_not_interrupt_the_cleanup(
    number: signal.Signals,
) -> None:
    now = 0.0
    stop_at_signals(lambda: now)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    now += REPEATED_SIGNAL_SECONDS / 2
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    now += REPEATED_SIGNAL_SECONDS / 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_the_callers_signal_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with restored_handlers():
        stop_at_signals()
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
