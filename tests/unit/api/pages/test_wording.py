from datetime import UTC, datetime, timedelta

import pytest

from api.pages.wording import ago, clock, day, latency

NOW = datetime(2024, 5, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0:00"), (-3, "0:00"), (65.9, "1:05"), (599, "9:59"), (3600, "1:00:00"), (36_065, "10:01:05")],
)
def test_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_day() -> None:
    assert day(datetime(2022, 9, 3, tzinfo=UTC)) == "3 Sep 2022"


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=23), "23 hours ago"),
        (timedelta(days=1), "yesterday"),
        (timedelta(days=45), "45 days ago"),
        (timedelta(days=46), "on 15 Apr 2024"),
    ],
)
def test_ago(passed: timedelta, told: str) -> None:
    assert ago(NOW - passed, NOW) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((0.00012, "0.12 ms"), (0.00418, "4.2 ms"), (0.0349, "35 ms"), (0.123, "120 ms")),
        *((0.996, "1 s"), (1.234, "1.2 s"), (9.6, "9.6 s")),
    ],
)
def test_latencies_have_two_digits(seconds: float, told: str) -> None:
    assert latency(seconds) == told
