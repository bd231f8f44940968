from datetime import UTC, datetime, timedelta

import pytest

from api.pages.wording import ago, clock, cut, day, initials, language_code, language_name, latency

NOW = datetime(2024, 5, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (-3, "0:00"), (65.9, "1:05"), (599, "9:59"), (3600, "1:00:00"), (36_065, "10:01:05")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_day() -> None:
    assert day(datetime(2022, 9, 3, tzinfo=UTC)) == "3 Sep 2022"


@pytest.mark.parametrize(
    ("passed", "text"),
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
def test_ago(passed: timedelta, text: str) -> None:
    assert ago(NOW - passed, NOW) == text


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("How I Collimate", "HI"),
        ("one", "O"),
        ("", ""),
        ("... !!", ""),
        ('"quoted" <b>', "QB"),
        ("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u05e9\u05e2"),
        ("\u65e5\u672c\u8a9e", "\u65e5"),
    ],
)
def test_initials(title: str, expected: str) -> None:
    assert initials(title) == expected


def test_a_cut_text_ends_with_an_ellipsis() -> None:
    assert (cut("abc", 3), cut("abcd efg", 5)) == ("abc", "abcd\u2026")


def test_languages() -> None:
    assert [language_code(tag) for tag in ("en", "EN-us", "nb", "xx", "", None, "eng")] == [
        *("en", "en", "nb", None, None, None, None)
    ]
    assert language_name("zu") == "Zulu"
    assert language_name("nb") == "Norwegian Bokm\u00e5l"
    assert language_name("klingon") == "klingon"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.00012, "0.12 ms"), (0.00418, "4.2 ms"), (0.0349, "35 ms"), (0.123, "120 ms")),
        *((0.996, "1 s"), (1.234, "1.2 s"), (9.6, "9.6 s")),
    ],
)
def test_latencies_have_two_digits(seconds: float, text: str) -> None:
    assert latency(seconds) == text
