from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.captions.cues import ShownCue, ShownLine, end_where_next_starts, merge_cues, shown_cue
from ingest.sources.captions.subtitles import parse_subtitles
from retrieval.catalogue.video import Cue
from tests.support.caption_data import rolling_srt, rolling_vtt

Write = Callable[[Sequence[str]], str]

LINES = ["hi everyone and welcome", "yeah", "to the show", "yeah", "yeah", "we start here today"]


def cue(start: float, end: float, *lines: str) -> ShownCue:
    return shown_cue(start, end, lines)


def said(*cues: ShownCue) -> list[str]:
    return [one.text for one in merge_cues(cues)]


def spoken(cues: Sequence[ShownCue]) -> list[str]:
    return [word for one in merge_cues(cues) for word in one.text.split()]


@pytest.mark.parametrize("write", [rolling_vtt, rolling_srt])
def test_each_word_of_rolling_captions_occurs_once_at_its_time(write: Write) -> None:
    transcript = parse_subtitles(write(LINES))
    assert [one.text for one in transcript.cues] == LINES
    assert [(one.start, one.end) for one in transcript.cues] == [
        (3.0 * number, round(3.0 * number + 2.99, 3)) for number in range(len(LINES))
    ]
    assert transcript.details["caption_kind"] == "automatic"
    assert transcript.skipped == []


def test_lines_that_roll_up_without_brief_cues() -> None:
    assert said(cue(0, 2, "a b"), cue(2, 4, "a b", "c d"), cue(4, 6, "c d", "e f"), cue(6, 8, "e f")) == [
        "a b",
        "c d",
        "e f",
    ]


def test_three_lines_on_the_screen() -> None:
    cues = [cue(0, 1, "a"), cue(1, 2, "a", "b"), cue(2, 3, "a", "b", "c"), cue(3, 4, "b", "c", "d")]
    assert said(*cues) == ["a", "b", "c", "d"]


def test_repeated_sentences_are_kept() -> None:
    assert said(cue(0, 1, "No."), cue(1, 2, "No.", "I will not."), cue(2, 3, "No.")) == [
        "No.",
        "No. I will not.",
        "No.",
    ]
    assert said(cue(0, 1, "la la"), cue(1, 2, "la la"), cue(2, 3, "la la")) == ["la la"] * 3


def test_a_line_that_is_repeated_later_was_said_again() -> None:
    rolling = [cue(0, 2, "a"), cue(2, 4, "a", "b"), cue(4, 6, "b", "c")]
    assert said(*rolling, cue(9, 11, "c", "d")) == ["a", "b", "c", "c d"]


def test_a_word_that_is_said_again_at_once_is_kept() -> None:
    rolling = [cue(0, 2, "a"), cue(2, 4, "a", "no"), cue(4, 6, "no", "no"), cue(6, 8, "no", "no")]
    assert said(*rolling) == ["a", "no", "no", "no"]


def test_songs_with_word_times_keep_their_chorus() -> None:
    line = "la <00:00:01.500>la"
    assert said(cue(1, 2, line), cue(2, 3, line), cue(3, 4, "end <00:00:03.500>it")) == [
        "la la",
        "la la",
        "end it",
    ]


def test_a_cue_drawn_twice_is_one_cue() -> None:
    assert said(cue(0, 1, "shadow"), cue(0, 1, "shadow"), cue(0, 1, "other")) == ["shadow", "other"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("<v Ann Lee>I <3 <i.loud>C&amp;C</i>", "I <3 C&C"),
        ("{\\an8}up <font color='#fff'>there</font>", "up there"),
        ("one<br>two<br/>three[br]four", "one two three four"),
        ("\u202bbidi\u202c \u200bzero\u200bwidth\ufeff", "bidi zerowidth"),
        ("&nbsp;a&#39;b&lt;i&gt;", "a'b<i>"),
        ("<c.colorE5E5E5>this</c><00:05:04.199><c> will</c>", "this will"),
        ("5 > 3 and a < b", "5 > 3 and a < b"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
    ],
)
def test_lines_are_cleaned(line: str, text: str) -> None:
    assert said(cue(0, 1, line)) == [text]


def test_cues_that_overlap_are_cut_only_if_most_do() -> None:
    rolling = [Cue(1.0 * n, n + 3.0, str(n)) for n in range(4)]
    assert [one.end for one in end_where_next_starts(rolling)] == [1.0, 2.0, 3.0, 6.0]
    at_once = [Cue(2.0 * n, 2 * n + (3.0 if n == 1 else 2.0), "x") for n in range(4)]
    assert end_where_next_starts(at_once) == at_once
    assert end_where_next_starts([]) == []


words = st.sampled_from(["a", "b", "c", "yeah", "no"])
lines = st.lists(words, min_size=1, max_size=3).map(" ".join)


@st.composite
def ordered_cues(draw: st.DrawFn) -> list[ShownCue]:
    moments = sorted(draw(st.lists(st.integers(0, 400), min_size=2, max_size=16)))
    return [
        ShownCue(
            start / 4,
            end / 4 if draw(st.booleans()) else start / 4 + 0.01,
            tuple(ShownLine(text, draw(st.booleans())) for text in draw(st.lists(lines, max_size=3))),
        )
        for start, end in pairwise(moments)
    ]


@given(ordered_cues())
def test_merging_is_idempotent(cues: list[ShownCue]) -> None:
    once = merge_cues(cues)
    assert merge_cues([cue(one.start, one.end, one.text) for one in once]) == once
    assert end_where_next_starts(end_where_next_starts(once)) == end_where_next_starts(once)


@given(ordered_cues())
def test_times_stay_in_order_and_in_range(cues: list[ShownCue]) -> None:
    merged = end_where_next_starts(merge_cues(cues))
    assert all(before.start <= after.start for before, after in pairwise(merged))
    shown = [one for one in cues if one.lines]
    assert {(one.start) for one in merged} <= {one.start for one in shown}
    assert all(one.start <= one.end <= max(each.end for each in shown) for one in merged)


@given(ordered_cues())
def test_merging_neither_adds_nor_removes_words(cues: list[ShownCue]) -> None:
    shown = [word for one in cues for line in one.lines for word in line.text.split()]
    merged = iter(shown)
    assert all(word in merged for word in spoken(cues))  # In order, each from a place of its own.
    assert set(spoken(cues)) == set(shown)


@given(st.lists(st.tuples(st.integers(1, 90), lines), max_size=12))
def test_captions_that_do_not_roll_keep_all_words(pauses: list[tuple[int, str]]) -> None:
    cues, now = [], 0.0
    for pause, line in pauses:
        cues.append(cue(now, now + 1, line))
        now += 1 + pause / 9
    assert spoken(cues) == [word for _, line in pauses for word in line.split()]


@given(st.lists(lines, min_size=2, max_size=12), st.sampled_from([rolling_vtt, rolling_srt]))
def test_rolling_captions_lose_and_repeat_no_word(script: list[str], write: Write) -> None:
    transcript = parse_subtitles(write(script))
    assert [one.text for one in transcript.cues] == script
