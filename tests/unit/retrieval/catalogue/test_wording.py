from datetime import UTC, datetime, timedelta, timezone

import pytest

from retrieval.catalogue.runs import RunOutcome
from retrieval.catalogue.wording import (
    DRY_RUN,
    HOW_TO_GET_TIMES,
    NOT_ENDED,
    counted,
    counts_text,
    duration,
    outcome_text,
    share,
    times_text,
    timestamp,
)


def test_counted_uses_the_plural_unless_there_is_one() -> None:
    assert [counted(number, "video") for number in (0, 1, 1204)] == ["0 videos", "1 video", "1,204 videos"]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 9, "0%"), (1, 1000, "<1%"), (1, 2, "50%"), (43, 45, "96%"), (999, 1000, ">99%"), (7, 7, "100%")],
)
def test_only_the_whole_is_100_percent_and_only_nothing_is_0(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == share(part / whole) == text


def test_a_share_of_nothing_is_a_dash() -> None:
    assert share(0, 0) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-1.0, "0.0 s"), (0.42, "0.4 s"), (9.94, "9.9 s"), (9.97, "10 s"), (12.3, "12 s"), (59.6, "1 min")),
        *((200.0, "3 min 20 s"), (3599.7, "1 h"), (3900.0, "1 h 5 min"), (7_200_000.0, "2,000 h")),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_timestamps_are_in_utc() -> None:
    at = datetime(2024, 5, 31, 12, 30, tzinfo=UTC)
    assert timestamp(at) == "2024-05-31 12:30 UTC"
    assert timestamp(at.astimezone(timezone(timedelta(hours=5)))) == "2024-05-31 12:30 UTC"


def test_every_outcome_has_a_text_of_its_own() -> None:
    assert (
        len({outcome_text(outcome) for outcome in (*RunOutcome, NOT_ENDED, DRY_RUN)}) == len(RunOutcome) + 2
    )
    assert outcome_text(None) == outcome_text(NOT_ENDED)


def test_counts_say_whether_they_were_only_planned() -> None:
    counts = {"keep": 1289, "add": 12, "rejected": 1, "re-embed": 3, "update": 2, "remove": 4}
    assert (
        counts_text(counts, RunOutcome.PUBLISHED)
        == "12 added, 3 re-embedded, 2 updated, 4 removed, 1,289 unchanged, 1 rejected"
    )
    assert counts_text(counts, RunOutcome.FAILED).startswith("Planned: 12 to add, 3 to re-embed, ")
    assert counts_text({"restored": 5}, RunOutcome.PUBLISHED) == "5 restored"
    assert counts_text({}, RunOutcome.FAILED) == ""


@pytest.mark.parametrize(
    ("transcripts", "timed", "text"),
    [
        (80, 0, "80 transcripts, none with times: moments open at the beginning."),
        (1, 0, "1 transcript, none with times: moments open at the beginning."),
        (80, 12, "80 transcripts, 12 with times: moments of the others open at the beginning."),
    ],
)
def test_missing_times_are_reported_with_the_remedy(transcripts: int, timed: int, text: str) -> None:
    assert times_text(transcripts, timed) == f"{text} {HOW_TO_GET_TIMES}"


@pytest.mark.parametrize(("transcripts", "timed"), [(80, 80), (0, 0), (80, None)])
def test_nothing_is_reported_if_no_times_are_missing_or_it_is_unknown(
    transcripts: int, timed: int | None
) -> None:
    assert times_text(transcripts, timed) is None
