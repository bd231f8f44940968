from pathlib import Path

import pytest

from ingest.rows.row import RawRow, check_source_row
from ingest.sources.captions.subtitles import parse_subtitles
from ingest.sources.opening import open_source
from retrieval.catalogue.video import Cue

VTT = "WEBVTT\n\n00:00:01.500 --> 00:00:04.000\nHello\nworld\n\n1:00:04.000 --> 1:00:06.250\nagain\n"
SRT = "1\n00:00:01,500 --> 00:00:04,000\nHello\nworld\n\n2\n01:00:04,000 --> 01:00:06,250\nagain\n"
SBV = "0:00:01.500,0:00:04.000\nHello\nworld\n\n1:00:04.000,1:00:06.250\nagain\n"
CUES = (Cue(1.5, 4.0, "Hello world"), Cue(3604.0, 3606.25, "again"))


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_caption_file(path: Path) -> RawRow:
    (row,) = open_source(path).rows()
    return row


def cues_of(row: RawRow) -> tuple[Cue, ...]:
    video = check_source_row(row).video
    assert video is not None, row.problems
    return video.cues


def texts(content: str) -> list[str]:
    return [cue.text for cue in parse_subtitles(content).cues]


def reason(row: RawRow) -> tuple[str, str]:
    assert row.values is None
    (problem,) = row.problems
    return problem.severity, problem.reason_code


@pytest.mark.parametrize(("name", "content"), [("a.vtt", VTT), ("a.SRT", SRT), ("a.sbv", SBV)])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_format_line_end_and_byte_order_mark(
    name: str, content: str, line_end: str, encoding: str, tmp_path: Path
) -> None:
    data = content.replace("\n", line_end).encode(encoding)
    assert cues_of(read_caption_file(written(tmp_path / name, data))) == CUES


def test_each_file_of_a_folder_is_a_video_with_its_name(tmp_path: Path) -> None:
    written(tmp_path / "b_second-talk.srt", SRT)
    written(tmp_path / "a1.vtt", VTT)
    written(tmp_path / "._a1.vtt", b"\x00\x05\x16\x07")
    written(tmp_path / "README.md", "no captions")
    (tmp_path / "folder.vtt").mkdir()
    rows = list(open_source(tmp_path).rows())
    assert [str(row.place) for row in rows] == [str(tmp_path / "a1.vtt"), str(tmp_path / "b_second-talk.srt")]
    videos = [check_source_row(row).video for row in rows]
    assert [(video.video_id, video.title) for video in videos if video] == [
        ("a1", "a1"),
        ("b_second-talk", "b second talk"),
    ]
    assert [video.transcript for video in videos if video] == ["Hello world again"] * 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no-cues"),
        (b"WEBVTT\n", "no-cues"),
        (b"Just words.", "no-cues"),
        (b"00:00:01.000 --> 00:00:02.000\n<b> </b>\n", "no-cues"),
        (b"00:00:01.000 --> 00:00:02.000\nCaf\xe9\n", "not-utf-8"),
        (b"\xff\xfe0", "not-utf-8"),
    ],
)
def test_a_file_without_cues_is_a_rejected_row(content: bytes, code: str, tmp_path: Path) -> None:
    assert reason(read_caption_file(written(tmp_path / "a.vtt", content))) == ("rejected", code)


def test_a_deleted_file_is_a_rejected_row(tmp_path: Path) -> None:
    source = open_source(written(tmp_path / "gone.vtt", VTT))
    (tmp_path / "gone.vtt").unlink()
    (row,) = source.rows()
    assert reason(row) == ("rejected", "unreadable")
    assert str(row.problems[0]) == (
        f"{tmp_path / 'gone.vtt'}, field cues: cannot be read (No such file or directory); check the file"
    )


def test_a_name_that_is_not_utf_8_is_a_rejected_row(tmp_path: Path) -> None:
    (row,) = open_source(written(tmp_path / "caf\udce9.vtt", VTT).parent).rows()
    checked = check_source_row(row)
    assert checked.video is None
    assert "caf\ufffd.vtt, field video_id" in str(checked.problems[0])


def test_notes_styles_and_identifiers_are_not_text() -> None:
    content = (
        "WEBVTT\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE\nby Ann --> Bob\n\n"
        "7\n00:01.000 --> 00:02.000\none --> two\n\nNOTE not this\n\nlast\n00:02.000 --> 00:03.000\nthree\n"
    )
    assert texts(content) == ["one --> two", "three"]
    assert parse_subtitles(content).skipped == []


def test_text_may_come_after_a_blank_line() -> None:
    content = (
        "1\n00:01.000 --> 00:02.000\n\none\n\ntwo\n\n"
        "2\n00:02.000 --> 00:03.000\n\n\n3\n00:03.000 --> 00:04.000\nx"
    )
    assert texts(content) == ["one two", "x"]


def test_text_without_readable_times_is_left_out_with_a_warning(tmp_path: Path) -> None:
    content = (
        "00:01.000 --> 00:02.000\none\n\nlost\n\n"
        "00:02.000 --> 00:0x.000\nlost\n\n00:03.000 --> 00:04.000\ntwo\n"
    )
    row = read_caption_file(written(tmp_path / "a.vtt", content))
    assert [cue.text for cue in cues_of(row)] == ["one", "two"]
    (problem,) = row.problems
    assert (problem.severity, problem.reason_code, problem.video_id) == ("warning", "captions-skipped", "a")
    assert "at line 4 (and 1 more)" in problem.message
