from datetime import UTC, datetime

import pytest

from api.media.conditions import FileVersion
from api.wire.errors import RangeNotSatisfiableError

MODIFIED = int(datetime(2024, 5, 31, 12, tzinfo=UTC).timestamp())
VERSION = FileVersion(size=1000, modified_ns=MODIFIED * 10**9 + 5)
DATE = "Fri, 31 May 2024 12:00:00 GMT"


def test_a_version_has_a_tag_and_a_date() -> None:
    assert VERSION.tag == f'"{MODIFIED * 10**9 + 5:x}-3e8"'
    assert VERSION.last_modified == DATE


@pytest.mark.parametrize(
    ("seconds", "date"),
    [
        (-(10**15), "Thu, 01 Jan 1970 00:00:00 GMT"),
        (10**15, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_a_time_that_no_date_can_express_is_shortened(seconds: int, date: str) -> None:
    version = FileVersion(size=1000, modified_ns=seconds * 10**9)
    assert version.last_modified == date
    assert version.is_known_to({"if-modified-since": date})


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ("bytes=0-", range(1000)),
        ("bytes=0-0", range(1)),
        ("bytes=10-19", range(10, 20)),
        ("bytes=990-5000", range(990, 1000)),
        ("bytes=999-", range(999, 1000)),
        ("bytes=-1", range(999, 1000)),
        ("bytes=-5000", range(1000)),
        ("Bytes = 5-6", range(5, 7)),
        (f"bytes=0-{'9' * 5000}", range(1000)),
        (f"bytes={'0' * 5000}7-8", range(7, 9)),
        # Several ranges, and what is no range: the whole file.
        ("bytes=0-1,5-6", None),
        ("bytes=0-1, -5", None),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("seconds=1-2", None),
        ("", None),
    ],
)
def test_a_range_is_one_part(sent: str, part: range | None) -> None:
    assert VERSION.requested_part({"range": sent}) == part


@pytest.mark.parametrize("sent", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_a_range_past_the_end_is_refused(sent: str) -> None:
    with pytest.raises(RangeNotSatisfiableError) as refused:
        VERSION.requested_part({"range": sent})
    assert refused.value.headers == {"Content-Range": "bytes */1000"}


def test_an_empty_file_has_no_part() -> None:
    with pytest.raises(RangeNotSatisfiableError):
        FileVersion(0, 0).requested_part({"range": "bytes=0-"})


@pytest.mark.parametrize(
    ("version", "is_same"),
    [
        (VERSION.tag, True),
        (DATE, True),
        (f"W/{VERSION.tag}", False),
        ('"other"', False),
        ("Sat, 01 Jun 2024 12:00:00 GMT", False),
        ("tomorrow", False),
    ],
)
def test_a_range_of_another_version_gives_the_whole_file(version: str, is_same: bool) -> None:  # noqa: FBT001
    part = VERSION.requested_part({"range": "bytes=0-1", "if-range": version})
    assert part == (range(2) if is_same else None)


def test_a_range_past_the_end_of_another_version_gives_the_whole_file() -> None:
    assert VERSION.requested_part({"range": "bytes=5000-", "if-range": "x"}) is None


@pytest.mark.parametrize(
    ("headers", "is_known"),
    [
        ({}, False),
        ({"if-none-match": VERSION.tag}, True),
        ({"if-none-match": f'"a", W/{VERSION.tag}'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"a"'}, False),
        ({"if-modified-since": DATE}, True),
        ({"if-modified-since": "Fri, 31 May 2024 11:59:59 GMT"}, False),
        ({"if-modified-since": "Sat, 01 Jun 2024 12:00:00 -0000"}, True),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-modified-since": f"Fri, 31 May {'9' * 20} 12:00:00 GMT"}, False),
        ({"if-modified-since": f"Fri, 31 May 2024 12:00:00 -{'9' * 20}"}, False),
        # The tag is more exact, so the date does not count next to it.
        ({"if-none-match": '"a"', "if-modified-since": DATE}, False),
    ],
)
def test_a_client_may_know_the_version(headers: dict[str, str], is_known: bool) -> None:  # noqa: FBT001
    assert VERSION.is_known_to(headers) is is_known
