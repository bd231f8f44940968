import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rows.row import COLUMNS, CheckedRow, Place, RowProblem, check_row
from retrieval.catalogue.video import Cue, Video

PLACE = Place("videos.jsonl", 7, "line")
HALF = "\ud83d"


def check(**raw: Any) -> CheckedRow:
    return check_row({"video_id": "a1", "title": "A title", "transcript": "some words", **raw}, place=PLACE)


def video_of(checked: CheckedRow) -> Video:
    assert checked.video is not None, checked.problems
    return checked.video


def only_problem(checked: CheckedRow) -> RowProblem:
    (problem,) = checked.problems
    return problem


def test_a_valid_row_is_a_video_without_problems() -> None:
    checked = check(
        published_at="2024-05-30T17:41:30+02:00",
        url=" https://youtu.be/a1 ",
        channel="Talks",
        language="en",
        duration="754.5",
        thumbnail_url="http://example.org/a1.jpg",
        tags="python; web; python",
        description="ignored",
        cues=[{"start": 0, "end": 2.5, "text": "some words"}],
    )
    assert checked == CheckedRow(
        PLACE,
        Video(
            video_id="a1",
            title="A title",
            transcript="some words",
            cues=(Cue(0.0, 2.5, "some words"),),
            published_at=datetime(2024, 5, 30, 15, 41, 30, tzinfo=UTC),
            url="https://youtu.be/a1",
            channel="Talks",
            language="en",
            duration=754.5,
            thumbnail_url="http://example.org/a1.jpg",
            tags=("python", "web"),
        ),
    )


@pytest.mark.parametrize(
    ("given_id", "video_id"),
    [
        ("  a1\n", "a1"),
        (12, "12"),
        (-3, "-3"),
        (12.0, "12"),
        ("007", "007"),
        ("日本 🎬", "日本 🎬"),
        ("x" * 512, "x" * 512),
    ],
)
def test_valid_ids(given_id: Any, video_id: str) -> None:
    assert video_of(check(video_id=given_id)).video_id == video_id


@pytest.mark.parametrize(
    ("given_id", "code"),
    [
        (None, "missing"),
        ("", "missing"),
        (" \t", "missing"),
        (float("nan"), "missing"),
        (True, "not-text"),
        (1.5, "not-text"),
        (2.0**60, "not-text"),
        (float("inf"), "not-text"),
        (10**600, "not-text"),
        (["a"], "not-text"),
        (b"a1", "not-text"),
        ("x" * 513, "too-long"),
        ("a\x00b", "control-character"),
        ("a\nb", "control-character"),
        ("a\u2028b", "control-character"),
        (f"a{HALF}", "damaged-text"),
    ],
)
def test_invalid_ids_are_rejected(given_id: Any, code: str) -> None:
    checked = check(video_id=given_id)
    problem = only_problem(checked)
    assert checked.video is None
    assert (problem.severity, problem.field, problem.reason_code) == ("rejected", "video_id", code)
    assert problem.video_id is None


@pytest.mark.parametrize(
    ("title", "code"),
    [(None, "missing"), ("  \n", "missing"), ("\0", "missing"), (1984, "not-text"), (["x"], "not-text")],
)
def test_invalid_titles_are_rejected(title: Any, code: str) -> None:
    checked = check(title=title)
    problem = checked.problems[-1]
    assert checked.video is None
    assert (problem.severity, problem.field, problem.reason_code) == ("rejected", "title", code)
    assert problem.video_id == "a1"


def test_an_empty_row_reports_both_required_columns() -> None:
    checked = check_row({}, place=PLACE)
    assert checked.video is None
    assert [problem.field for problem in checked.problems] == ["video_id", "title"]


def test_texts_are_kept_as_given() -> None:
    title, transcript = "  Q&amp;A \u200b\r\n ", "\n one\ttwo &#39; "
    video = video_of(check(title=title, transcript=transcript))
    assert (video.title, video.transcript) == (title, transcript)


def test_damaged_text_is_repaired_with_a_warning() -> None:
    checked = check(title=f"a{HALF}b\0", transcript=f"\0{HALF}{HALF}")
    video = video_of(checked)
    assert (video.title, video.transcript) == ("a\ufffdb", "\ufffd\ufffd")
    assert [(p.severity, p.field, p.reason_code) for p in checked.problems] == [
        ("warning", "title", "damaged-text"),
        ("warning", "transcript", "damaged-text"),
    ]


@pytest.mark.parametrize(
    "transcript",
    ["n/a", " N/A ", "null", "None.", "[Music]", "[Music]\n(applause) ♪ ♪", "--", "no transcript", "[ __ ]"],
)
def test_a_placeholder_is_no_transcript(transcript: str) -> None:
    cues = [{"start": 0, "end": 1, "text": transcript}]
    for columns in ({"transcript": transcript}, {"transcript": None, "cues": cues}):
        checked = check(**columns)
        video = video_of(checked)
        assert (video.transcript, video.cues) == (None, ())
        problem = checked.problems[-1]
        assert (problem.severity, problem.reason_code) == ("note", "placeholder-transcript")


@pytest.mark.parametrize("transcript", ["[Music] hello", "nothing", "null and void", "(a", "n/a n/a?"])
def test_a_text_that_resembles_a_placeholder_is_a_transcript(transcript: str) -> None:
    assert video_of(check(transcript=transcript)).transcript == transcript


@pytest.mark.parametrize("transcript", [None, "", " \n", "\0", float("nan")])
def test_no_transcript_is_a_note(transcript: Any) -> None:
    checked = check(transcript=transcript)
    assert video_of(checked).transcript is None
    problem = checked.problems[-1]
    assert (problem.severity, problem.field, problem.reason_code) == ("note", "transcript", "no-transcript")


def test_a_transcript_that_is_not_text_is_left_out() -> None:
    checked = check(transcript=["a", "b"])
    assert video_of(checked).transcript is None
    assert [(p.severity, p.reason_code) for p in checked.problems] == [
        ("warning", "not-text"),
        ("note", "no-transcript"),
    ]


@pytest.mark.parametrize(
    ("given_date", "moment"),
    [
        ("2024-05-30", datetime(2024, 5, 30, tzinfo=UTC)),
        (" 2024-05-30 15:41:30 ", datetime(2024, 5, 30, 15, 41, 30, tzinfo=UTC)),
        ("2024-05-30T15:41:30", datetime(2024, 5, 30, 15, 41, 30, tzinfo=UTC)),
        ("2024-05-30T15:41:30Z", datetime(2024, 5, 30, 15, 41, 30, tzinfo=UTC)),
        ("2024-05-30T15:41:30-05:00", datetime(2024, 5, 30, 20, 41, 30, tzinfo=UTC)),
        (date(2024, 5, 30), datetime(2024, 5, 30, tzinfo=UTC)),
        (datetime(2024, 5, 30, 15), datetime(2024, 5, 30, 15, tzinfo=UTC)),  # noqa: DTZ001
        (
            datetime(2024, 5, 30, 15, tzinfo=timezone(timedelta(hours=2))),
            datetime(2024, 5, 30, 13, tzinfo=UTC),
        ),
    ],
)
@pytest.mark.parametrize("column", ["published_at", "datetime"])
def test_dates_become_utc(given_date: Any, moment: datetime, column: str) -> None:
    published_at = video_of(check(**{column: given_date})).published_at
    assert published_at == moment
    assert published_at is not None
    assert published_at.tzinfo is UTC


def test_the_tutorials_column_is_read_only_if_ours_is_empty() -> None:
    assert video_of(check(published_at="2024-01-01", datetime="2020-01-01")).published_at == datetime(
        2024, 1, 1, tzinfo=UTC
    )
    assert video_of(check(published_at="", datetime="2020-01-01")).published_at == datetime(
        2020, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("published_at", "yesterday", "bad-date"),
        ("published_at", "2024-13-01", "bad-date"),
        ("published_at", 1717083690, "bad-date"),
        ("published_at", "0001-01-01T00:00:00+05:00", "bad-date"),
        ("duration", "1:02:03", "bad-duration"),
        ("duration", -1, "bad-duration"),
        ("duration", float("inf"), "bad-duration"),
        ("duration", True, "bad-duration"),
        ("duration", 10**400, "bad-duration"),
        ("url", "youtu.be/a1", "bad-url"),
        ("url", "<https://youtu.be/a1>", "bad-url"),
        ("url", "javascript:alert(1)", "bad-url"),
        ("url", "https://", "bad-url"),
        ("url", "https:///a1", "bad-url"),
        ("url", "https://youtu.be/a 1", "bad-url"),
        ("url", f"https://youtu.be/{HALF}", "bad-url"),
        ("thumbnail_url", "data:image/png;base64,", "bad-url"),
        ("media", "/etc/passwd.mp4", "bad-media"),
        ("media", "../a.mp4", "bad-media"),
        ("media", "a\\b.mp4", "bad-media"),
        ("media", "a.txt", "bad-media"),
        ("media", f"{HALF}.mp4", "bad-media"),
        ("media", 5, "bad-media"),
        ("channel", ["x"], "not-text"),
        ("language", 1.5, "not-text"),
        ("tags", 5, "bad-tags"),
        ("tags", "[one, two]", "bad-tags"),
        ("cues", "not json", "bad-cues"),
        ("cues", "[" * 100_000, "bad-cues"),
        ("cues", {"start": 0}, "bad-cues"),
        ("cues", 5, "bad-cues"),
    ],
)
def test_an_invalid_optional_field_is_left_out(column: str, value: Any, code: str) -> None:
    checked = check(**{column: value})
    problem = only_problem(checked)
    assert checked.video == check().video
    assert (problem.severity, problem.field, problem.reason_code) == ("warning", column, code)
    assert problem.video_id == "a1"


def test_a_problem_states_the_place_the_field_and_the_remedy() -> None:
    assert str(only_problem(check(published_at="yesterday"))) == (
        "videos.jsonl, line 7, field published_at: 'yesterday' is not a date; "
        "write it as 2024-05-30 or 2024-05-30T15:41:30Z"
    )


def test_a_long_invalid_value_is_quoted_shortened_and_printable() -> None:
    message = only_problem(check(url=f"{HALF}\n" * 1000)).message
    assert len(message) < 600
    assert message.isprintable()


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (60, 60.0),
        (1.5, 1.5),
        (" 60 ", 60.0),
        (Decimal("1.5"), 1.5),
        (timedelta(minutes=2), 120.0),
        ("", None),
    ],
)
def test_durations(duration: Any, seconds: float | None) -> None:
    assert video_of(check(duration=duration)).duration == seconds


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["a", " b ", "a", None, ""], ("a", "b")),
        ([1, "b"], ("1", "b")),
        ("a, b,,c", ("a", "b", "c")),
        ("a, the first; b", ("a, the first", "b")),
        ('["a", "b, c"]', ("a", "b, c")),
        ("['a', \"it's, b\"]", ("a", "it's, b")),
        ("[]", ()),
        ([], ()),
    ],
)
def test_tags(tags: Any, expected: tuple[str, ...]) -> None:
    checked = check(tags=tags)
    assert video_of(checked).tags == expected
    assert checked.problems == ()


def test_an_invalid_tag_is_left_out() -> None:
    checked = check(tags=["a", {"name": "b"}])
    assert video_of(checked).tags == ("a",)
    assert only_problem(checked).reason_code == "bad-tags"


def test_cues_are_the_transcript_if_there_is_no_other() -> None:
    cues = [{"start": 0, "end": 1, "text": "one"}, {"start": 1, "end": 2, "text": "two"}]
    for given_cues in (cues, tuple(cues), json.dumps(cues)):
        checked = check(transcript="n/a", cues=given_cues)
        video = video_of(checked)
        assert video.cues == (Cue(0.0, 1.0, "one"), Cue(1.0, 2.0, "two"))
        assert video.transcript == "one two"
        assert checked.problems == ()


def test_a_given_transcript_is_kept_next_to_cues() -> None:
    assert video_of(check(cues=[{"start": 0, "end": 1, "text": "other"}])).transcript == "some words"


def test_invalid_cues_are_left_out_with_one_warning_for_each_kind() -> None:
    checked = check(
        transcript=None,
        cues=[
            {"start": 5, "end": 4, "text": "turned"},
            {"start": 6, "end": 7, "text": "  "},
            {"start": -1, "end": 7, "text": "early"},
            {"start": float("nan"), "end": 7, "text": "never"},
            {"start": 1, "end": float("inf"), "text": "forever"},
            {"start": 1, "end": 2},
            {"start": True, "end": 2, "text": "yes"},
            "words",
            {"start": 8, "end": 9, "text": f"half {HALF}\0"},
        ],
    )
    video = video_of(checked)
    assert video.cues == (Cue(5.0, 5.0, "turned"), Cue(8.0, 9.0, "half \ufffd"))
    assert video.transcript == "turned half \ufffd"
    assert {p.reason_code: p.message.split(":")[0] for p in checked.problems} == {
        "bad-cues": "cue 3 (and 5 more)",
        "cue-times": "cue 1",
        "damaged-text": "cue 9",
    }


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]))
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.sampled_from(["n/a", "[", "['a']", "https://[", "http://a.b/\ud800", "9" * 5000, 10**600, "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["start", "end", "text", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), anything, max_size=12))
def test_check_row_never_raises_and_its_result_is_consistent(raw: dict[str, Any]) -> None:
    checked = check_row(raw, place=PLACE)
    rejected = [problem for problem in checked.problems if problem.severity == "rejected"]
    assert (checked.video is None) == bool(rejected)
    for problem in checked.problems:
        str(problem).encode()
    if checked.video is not None:
        video = checked.video
        texts = [video.video_id, video.title, video.transcript or "", video.url or "", video.channel or ""]
        for text in (*texts, *video.tags, *(cue.text for cue in video.cues)):
            assert "\0" not in text
            text.encode()
        assert all(0 <= cue.start <= cue.end and cue.text.strip() for cue in video.cues)
        assert video.published_at is None or video.published_at.tzinfo is UTC
