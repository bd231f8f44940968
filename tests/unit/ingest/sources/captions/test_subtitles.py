from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rows.row import RawRow, check_source_row
from ingest.sources.captions import decoding
from ingest.sources.captions.subtitles import parse_subtitles
from ingest.sources.opening import open_source
from retrieval.catalogue.video import Cue
from tests.support.linear_time import assert_linear

SRT = "1\r\n00:00:01,000 --> 00:00:02,000\r\ncafé ترجمه\r\n\r\n2\r\n00:00:02,000 --> 00:00:03,000\r\nb\r\n"


def texts(content: str) -> list[str]:
    return [cue.text for cue in parse_subtitles(content).cues]


def times(content: str) -> list[tuple[float, float]]:
    return [(cue.start, cue.end) for cue in parse_subtitles(content).cues]


def read(path: Path, data: bytes) -> RawRow:
    path.write_bytes(data)
    (row,) = open_source(path).rows()
    return row


@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        ("00:00:04,560.0000000000009 --> 00:00:06,100.0000000000001", 4.56, 6.1),
        ("0:0:0.0 --> 0:0:0.570", 0.0, 0.57),
        ("00:00:01:500 --> 00:00:02:250", 1.5, 2.25),
        ("00: 00: 01, 500 --> 00: 00: 02, 250", 1.5, 2.25),
        ("00:00:01,500 -> 00:00:02,250", 1.5, 2.25),
        ("00:00:01,500 \u2192 00:00:02,250", 1.5, 2.25),
        ("00:00:01,500 \u2013> 00:00:02,250", 1.5, 2.25),
        ("\u200e00:00:01,500\u200f --> \u202a00:00:02,250\u202c", 1.5, 2.25),
        ("\ufeff00:00:01,500 --> 00:00:02,250", 1.5, 2.25),
        ("00:00:01,500 --> 00:00:02,250 X1:10 X2:20 Y1:1 Y2:2", 1.5, 2.25),
        ("90:30.000 --> 120:00.000", 5430.0, 7200.0),
        ("00:00:00,000 --> 00:06:17,000", 0.0, 377.0),
        ("00:00:05,000 --> 00:00:03,000", 5.0, 3.0),
        ("00:00:01.123456789123456789 --> 00:00:02", 1.123, 2.0),
        ("00:01.5 --> 00:02", 1.5, 2.0),
        ("1088:42:00.500 --> 1088:42:07.000", 3919320.5, 3919327.0),
        ("  00:00:01,000-->00:00:02,000 position:50% align:middle", 1.0, 2.0),
    ],
)
def test_unusual_times_are_read(line: str, start: float, end: float) -> None:
    assert times(f"{line}\nwords\n") == [(start, end)]


def test_a_cue_that_ends_before_it_starts_is_kept_with_a_warning(tmp_path: Path) -> None:
    row = check_source_row(read(tmp_path / "a.srt", b"1\n00:00:05,000 --> 00:00:03,000\nwords\n"))
    assert row.video is not None
    assert [(cue.start, cue.end) for cue in row.video.cues] == [(5.0, 5.0)]
    assert [problem.reason_code for problem in row.problems] == ["cue-times"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "00:01.000 --> 00:02.000\nfrom 3 --> 4\n10 -> 20 is the range\n",
            ["from 3 --> 4 10 -> 20 is the range"],
        ),
        ("00:01.000 --> 00:02.000\nopen\n10:30 -> 11:00 lunch\n", ["open 10:30 -> 11:00 lunch"]),
        ("00:01.000 --> 00:02.000\nopen\n10:30 --> 11:00 lunch\n", ["open 10:30 --> 11:00 lunch"]),
        ("1\n00:01.000 --> 00:02.000\na\n2\n00:02.000 --> 00:03.000\nb\n", ["a", "b"]),
        ("1\n00:01.000 --> 00:02.000\nin\n1984\n2\n00:02.000 --> 00:03.000\nb\n", ["in 1984", "b"]),
        ("00:01.000 --> 00:02.000\nin\n1984\n00:02.000 --> 00:03.000 align:left\nb\n", ["in 1984", "b"]),
        ("WEBVTT\n00:01.000 --> 00:02.000\na\n", ["a"]),
        (
            "\ufeffWEBVTT FILE\n\n00:01.000 --> 00:02.000\na\n\n\ufeffWEBVTT\n\n00:02.000 --> 00:03.000\nb\n",
            ["a", "b"],
        ),
        ("00:01.000 --> 00:02.000\n\u200b\n\n00:02.000 --> 00:03.000\nb\n", ["b"]),
    ],
)
def test_text_is_distinguished_from_times_and_numbers(content: str, expected: list[str]) -> None:
    transcript = parse_subtitles(content)
    assert [cue.text for cue in transcript.cues] == expected
    assert transcript.skipped == []


def test_an_invalid_cue_does_not_affect_the_others() -> None:
    content = "1\n00:00:01,000 --> 00:0x:02,000\nlost\n\n2\n-00:00:01,000 --> 00:00:02,000\nlost\n\n"
    transcript = parse_subtitles(f"{content}3\n00:00:03,000 --> 00:00:04,000\nkept\n")
    assert [cue.text for cue in transcript.cues] == ["kept"]
    assert transcript.skipped == [2, 6]


def test_hls_times_are_relative_to_the_clock_in_the_header() -> None:
    header = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:10:00:00.000\n\n"
    assert times(f"{header}10:00:05.000 --> 10:00:06.500\na\n") == [(5.0, 6.5)]
    # Times before the start of the clock are not relative to it.
    assert times(f"{header}00:00:05.000 --> 00:00:06.500\na\n") == [(5.0, 6.5)]
    assert times("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:05.0 --> 00:06.5\na") == [
        (5.0, 6.5)
    ]


def test_the_language_is_read_from_the_header() -> None:
    assert parse_subtitles("WEBVTT\nKind: captions\nLanguage: pt-BR\n\n00:01.0 --> 00:02.0\na").details == {
        "language": "pt-BR"
    }
    assert parse_subtitles("00:01.0 --> 00:02.0\nhe said\nLanguage: en\n").details == {}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_unicode_with_and_without_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding == "utf-32-be" else ""
    row = read(tmp_path / "a.srt", (mark + SRT).encode(encoding))
    assert row.values is not None
    assert [cue.text for cue in row.cues] == ["café ترجمه", "b"]
    assert row.problems == ()


def test_a_few_invalid_bytes_are_replaced_with_a_warning(tmp_path: Path) -> None:
    row = read(tmp_path / "a.srt", SRT.encode().replace(b"b\r\n", b"b\xff\r\n"))
    assert row.values is not None
    assert [cue.text for cue in row.cues] == ["café ترجمه", "b\ufffd"]
    assert [(problem.severity, problem.reason_code) for problem in row.problems] == [
        ("warning", "damaged-text")
    ]
    cut_short = read(tmp_path / "a.srt", SRT.encode("utf-16")[:-1])
    assert cut_short.values is not None


@pytest.mark.parametrize("encoding", ["cp1252", "cp1256", "shift-jis", "koi8-r"])
def test_a_national_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    text = {
        "cp1252": "déjà été là où",
        "cp1256": "مرحبا بكم في",
        "shift-jis": "日本語です",
        "koi8-r": "привет",
    }
    lines = f"1\n00:00:01,000 --> 00:00:02,000\n{text[encoding]}\n"
    row = read(tmp_path / "a.srt", lines.encode(encoding))
    assert row.values is None
    (problem,) = row.problems
    assert problem.reason_code == "not-utf-8"
    assert problem.message.endswith("; save the file as UTF-8")


def test_a_binary_or_very_large_file_is_refused(tmp_path: Path) -> None:
    row = read(tmp_path / "a.vtt", bytes(range(256)) * 50)
    assert row.values is None
    (problem,) = read(tmp_path / "a.vtt", SRT.encode() + b"\n" * decoding.MAX_FILE_BYTES).problems
    assert problem.reason_code == "too-large"


@pytest.mark.parametrize(("name", "content"), [("a.srt", "0:00:01.5,0:00:02.5\nhi\n"), ("a.sbv", SRT)])
def test_a_file_with_the_suffix_of_another_format_is_read(name: str, content: str, tmp_path: Path) -> None:
    row = read(tmp_path / name, content.encode())
    assert row.values is not None
    assert row.cues[0].end in {2.0, 2.5}


def test_json_in_a_subtitle_file_is_read_but_a_bracket_is_text(tmp_path: Path) -> None:
    row = read(tmp_path / "a.srt", b'[{"text": "hi", "start": 1, "duration": 2}]')
    assert row.values is not None
    assert row.cues == (Cue(1.0, 3.0, "hi"),)
    bracket = read(tmp_path / "b.srt", b"{1}\n00:00:01,000 --> 00:00:02,000\n[{hello}]\n")
    assert bracket.values is not None
    assert bracket.cues[0].text == "[{hello}]"


HOSTILE: dict[str, Callable[[int], str]] = {
    "a long line": lambda n: "x" * 20 * n,
    "tags that never end": lambda n: "00:01.0 --> 00:02.0\n" + "<" * n,
    "open tags": lambda n: "00:01.0 --> 00:02.0\n" + "<v " * n,
    "open braces": lambda n: "00:01.0 --> 00:02.0\n" + "{\\" * n,
    "arrows": lambda n: "00:01.0 --> 00:02.0\n" + "-->" * n,
    "lines of arrows": lambda n: "0:1-->\n" * n,
    "cues without text": lambda n: "00:01.0 --> 00:02.0\n" * n,
    "spaces": lambda n: "00:01.0 -->" + " " * 10 * n + "x",
    "leading spaces": lambda n: " " * 10 * n + "-->",
    "digits": lambda n: "0" * 10 * n + ":00 --> 00:01",
    "colons": lambda n: "1:" * 5 * n + "-->",
    "fractions": lambda n: "00:00:01." + "9" * 10 * n + "." + "9" * 10 * n + "x --> 00:00:02",
    "settings": lambda n: "00:01.0 --> 00:02.0 " + "a:b" * n,
    "entities": lambda n: "00:01.0 --> 00:02.0\n" + "&amp" * n + ";" * n,
    "a cue of many lines": lambda n: "00:01.0 --> 00:02.0\n" + "a\n" * n,
    "the same line": lambda n: "00:01.0 --> 00:02.0\na\na\na\n\n" * (n // 4),
    "carriage returns": lambda n: "\r" * 10 * n,
    "clocks": lambda n: "WEBVTT\nX-TIMESTAMP-MAP=" + "LOCAL:" * n,
}


@pytest.mark.parametrize("text_of_size", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_take_linear_time(text_of_size: Callable[[int], str]) -> None:
    assert_linear(lambda size: parse_subtitles(text_of_size(size)), 8000)


PIECES = """
00:01.000|00:00:02,5|1:00:00:500| --> |->|,|NOTE |<00:00:01.5><c>|</c>|<v A>|{\\an8}|&amp;|&#|12|Language: en
X-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:9|align:start
""".replace("\n", "|").split("|")
pieces = st.sampled_from(
    [*PIECES, "\n", "\n\n", "\r\n", "WEBVTT\n", "\u200f", "\ufeff", "\0", "\ud800", "9" * 50]
)


@given(st.lists(pieces | st.text(max_size=4), max_size=60).map("".join), st.booleans())
def test_any_text_is_parsed(content: str, commas: bool) -> None:  # noqa: FBT001
    transcript = parse_subtitles(content, commas=commas)
    assert all(cue.text.strip() and cue.start >= 0 for cue in transcript.cues)
    assert transcript.skipped == sorted(set(transcript.skipped))


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_decoded_or_refused_with_a_code(data: bytes) -> None:
    try:
        text, damaged = decoding.decode(data)
    except decoding.CaptionFileError as error:
        code = error.code
    else:
        code = "not-utf-8" if damaged <= len(text) else "more damage than text"
    assert code == "not-utf-8"


def test_line_numbers_are_those_of_an_editor() -> None:
    assert parse_subtitles("\r\n\r\n1\r\n00:01.0 --> 00:02.0\r\na\r\n\r\nlost\r\n").skipped == [7]
    assert texts("1\r00:01.0 --> 00:02.0\ra\r\r2\r00:02.0 --> 00:03.0\rb") == ["a", "b"]
