from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.rows.row import CheckedRow
from ingest.sources.catalogue import read_catalogue
from ingest.sources.opening import open_source
from retrieval.catalogue.video import Video
from tests.support.caption_data import subtitle
from tests.support.reading import checked_rows as check


def fill(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def videos(rows: list[CheckedRow]) -> list[Video]:
    return [row.video for row in rows if row.video]


def test_a_video_with_several_languages_is_one_row_in_the_preferred_one(tmp_path: Path) -> None:
    fill(
        tmp_path,
        **{
            "A Talk [abc-DEF_123].de.vtt": subtitle("hallo"),
            "A Talk [abc-DEF_123].en-orig.vtt": subtitle("hello automatic"),
            "A Talk [abc-DEF_123].en.vtt": subtitle("hello"),
            "A Talk [abc-DEF_123].live_chat.json": "{}\n{}",
        },
    )
    (english,) = videos(check(tmp_path))
    assert (english.video_id, english.title, english.language) == ("abc-DEF_123", "A Talk", "en")
    assert english.transcript == "hello"
    (german,) = videos(check(tmp_path, "de", "en"))
    assert (german.language, german.transcript) == ("de", "hallo")
    (through_the_catalogue,) = read_catalogue([tmp_path], languages=("de",))
    assert through_the_catalogue.video == german


def test_the_kind_is_stored_with_the_row(tmp_path: Path) -> None:
    fill(tmp_path, **{"a.en-orig.vtt": subtitle("x"), "b.vtt": subtitle("y", language="fr")})
    first, second = (row.values for row in open_source(tmp_path).rows())
    assert first is not None
    assert (first["language"], first["caption_kind"]) == ("en", "automatic")
    assert second is not None
    assert (second["language"], second.get("caption_kind")) == ("fr", None)


def test_a_file_that_cannot_be_read_leaves_it_to_the_next_one(tmp_path: Path) -> None:
    fill(tmp_path, **{"a.en.vtt": "", "a.fr.vtt": subtitle("bonjour"), "b.en.vtt": "", "b.fr.vtt": "WEBVTT"})
    first, second = check(tmp_path)
    assert first.video is not None
    assert (first.video.transcript, first.video.language) == ("bonjour", "fr")
    assert [str(problem) for problem in first.problems] == [
        f"{tmp_path / 'a.en.vtt'}, field cues: is empty (0 bytes); download or export it again"
    ]
    assert first.problems[0].severity == "warning"
    assert second.video is None
    assert [problem.reason_code for problem in second.problems] == ["no-cues"]


def test_the_files_of_whisper_for_one_recording_are_one_video(tmp_path: Path) -> None:
    segments = '{"language": "en", "segments": [{"start": 1, "end": 2, "text": " hi"}]}'
    fill(tmp_path, **{"talk.json": segments, "talk.srt": subtitle("hi"), "talk.vtt": subtitle("hi")})
    fill(tmp_path, **{"talk.tsv": "start\tend\ttext\n", "talk.txt": "hi"})
    (video,) = videos(check(tmp_path))
    assert (video.video_id, video.transcript) == ("talk", "hi")


def test_a_bad_file_rejects_only_its_own_row(tmp_path: Path) -> None:
    fill(tmp_path, **{"a.json": "[{", "b.vtt": "", "c.json": '{"name": "x"}', "d.srt": subtitle("good")})
    rows = check(tmp_path)
    assert [row.problems[0].reason_code if row.problems else None for row in rows] == [
        "invalid-json",
        "no-cues",
        "not-a-transcript",
        None,
    ]


def test_a_list_next_to_the_files_describes_them(tmp_path: Path) -> None:
    fill(
        tmp_path, **{"k1.en.vtt": subtitle("one"), "second.srt": subtitle("two"), "extra.srt": subtitle("x")}
    )
    fill(tmp_path, **{"Talk [abc-DEF_123].en.vtt": subtitle("four"), "k5.srt": ""})
    listed = (
        "ID,Title,channel,File,published_at\n"
        "k1,First,C,,2024-05-30\n"
        "k2,Second,C,second.srt,\n"
        "k3,Third without captions,C,,\n"
        "abc-DEF_123,Fourth,C,,\n"
        "k5,Fifth with a damaged file,C,,\n"
        ",No id,C,gone.srt,\n"
    )
    fill(tmp_path, **{"Videos.csv": "\ufeff" + listed})
    rows = check(tmp_path)
    assert [
        (row.video.video_id, row.video.title, row.video.transcript) if row.video else None for row in rows
    ] == [
        ("k1", "First", "one"),
        ("k2", "Second", "two"),
        ("k3", "Third without captions", None),
        ("abc-DEF_123", "Fourth", "four"),
        None,
        None,
        ("extra", "extra", "x"),
    ]
    assert str(rows[0].place) == f"{tmp_path / 'Videos.csv'}, line 2"
    assert rows[0].video is not None
    assert (rows[0].video.language, str(rows[0].video.published_at)) == ("en", "2024-05-30 00:00:00+00:00")
    (damaged,) = rows[4].problems
    assert str(damaged) == (
        f"{tmp_path / 'k5.srt'}, field cues: is empty (0 bytes); download or export it again; "
        "or delete it to index the video without a transcript"
    )


def test_a_bad_line_of_the_list_and_a_line_with_cues(tmp_path: Path) -> None:
    cues = '"[{""start"": 0, ""end"": 1, ""text"": ""listed""}]"'
    fill(tmp_path, **{"a.srt": subtitle("file"), "videos.csv": f"video_id,title,cues\na,A,{cues}\nb\n"})
    first, second = check(tmp_path)
    assert first.video is not None
    assert first.video.transcript == "listed"
    assert second.problems[0].reason_code == "ragged-row"


def test_an_invalid_list_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, **{"a.srt": subtitle("x"), "videos.csv": "name\nx\n"})
    with pytest.raises(SourceError, match=r"videos\.csv: has no column video_id and no column title"):
        open_source(tmp_path)


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    fill(tmp_path, **{"Talk [abc-DEF_123].en.srt": subtitle("hi")})
    (row,) = read_catalogue([tmp_path / "Talk [abc-DEF_123].en.srt"])
    assert row.video is not None
    assert (row.video.video_id, row.video.title, row.video.language) == ("abc-DEF_123", "Talk", "en")


def test_a_file_of_several_transcripts_is_not_one_listed_video(tmp_path: Path) -> None:
    dump = '[[{"text": "a", "start": 1}], [{"text": "b", "start": 1}]]'
    fill(tmp_path, **{"a.json": dump, "videos.csv": "video_id,title\na,A\n"})
    (row,) = check(tmp_path)
    assert row.video is None
    assert row.problems[0].reason_code == "several-transcripts"
