from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.pages.wording import lasting, latency, moment, share


@pytest.mark.parametrize(
    ("part", "said"),
    [(0.0, "0%"), (0.001, "under 1%"), (0.5, "50%"), (0.956, "96%"), (0.996, "over 99%"), (1.0, "100%")],
)
def test_shares(part: float, said: str) -> None:
    assert share(part) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *(
            (-1.0, "0.0 s"),
            (0.42, "0.4 s"),
            (9.94, "9.9 s"),
            (9.97, "10 s"),
            (12.3, "12 s"),
            (59.6, "1 min 0 s"),
        ),
        *((200.0, "3 min 20 s"), (3599.7, "1 h 0 min"), (3900.0, "1 h 5 min"), (360_000.0, "100 h 0 min")),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0.00012, "0.12 ms"), (0.00418, "4.2 ms"), (0.0349, "35 ms"), (0.123, "120 ms")),
        *((0.996, "1 s"), (1.234, "1.2 s"), (9.6, "9.6 s")),
    ],
)
def test_latencies_have_two_digits(seconds: float, said: str) -> None:
    assert latency(seconds) == said


def test_moments_are_universal_time() -> None:
    at = datetime(2024, 5, 31, 12, 30, tzinfo=UTC)
    assert moment(at) == "2024-05-31 12:30 UTC"
    assert moment(at.astimezone(timezone(timedelta(hours=5)))) == "2024-05-31 12:30 UTC"
