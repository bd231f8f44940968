import json
from pathlib import Path

from ingest.rows.row import check_source_row
from ingest.sources.folders.watched import read_folder
from ingest.sources.opening import open_source

CAPTIONS = "WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n"


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(CAPTIONS if name.endswith(".vtt") else "")
    return folder


def media_of(folder: Path) -> dict[str, str | None]:
    checked = [check_source_row(row) for row in open_source(folder).rows()]
    assert all(not row.problems for row in checked)
    return {row.video.video_id: row.video.media for row in checked if row.video}


def test_a_file_with_the_same_stem_belongs_to_the_captions(tmp_path: Path) -> None:
    names = ("a talk.en.vtt", "a talk.mp3", "a talk.MP4", "b.vtt", "b.txt", "c.mp4", "d.vtt", ".d.mp4")
    assert media_of(filled(tmp_path, *names)) == {"a talk": "a talk.MP4", "b": None, "d": None}


def test_captions_may_be_named_after_the_whole_file(tmp_path: Path) -> None:
    names = ("a.mp4", "a.mp4.vtt", "b.webm", "b.webm.en.vtt", "c.mp4", "c.mp4.vtt", "c.mp4.webm")
    found = media_of(filled(tmp_path, *names))
    assert sorted(filter(None, found.values())) == ["a.mp4", "b.webm", "c.mp4.webm"]


def test_the_path_is_relative_to_the_folder_of_the_source(tmp_path: Path) -> None:
    names = ("one/two/talk.vtt", "one/two/talk.webm", "other.vtt", "talk.webm", "one/two/talk.d/x.mp4")
    assert media_of(filled(tmp_path, *names)) == {"other": None, "talk": "one/two/talk.webm"}
    assert media_of(tmp_path / "one") == {"talk": "two/talk.webm"}


def test_a_folder_of_that_name_is_no_file(tmp_path: Path) -> None:
    assert media_of(filled(tmp_path, "a.vtt", "a.mp4/b.txt")) == {"a": None}


def test_an_info_file_names_the_stem(tmp_path: Path) -> None:
    filled(tmp_path, "Talk [x1].en.vtt", "Talk [x1].webm")
    info = {"id": "x1", "title": "Talk", "_type": "video", "extractor": "x"}
    (tmp_path / "Talk [x1].info.json").write_text(json.dumps(info))
    assert media_of(tmp_path) == {"x1": "Talk [x1].webm"}


def test_a_list_may_name_another_file(tmp_path: Path) -> None:
    filled(tmp_path, "a.vtt", "a.mp4", "b.vtt", "b.mp4")
    (tmp_path / "videos.csv").write_text("video_id,title,media\na,A,elsewhere/a.mp4\nb,B,\n")
    assert media_of(tmp_path) == {"a": "elsewhere/a.mp4", "b": "b.mp4"}


def test_the_entries_of_a_dump_have_no_file(tmp_path: Path) -> None:
    entries = [
        {"video_id": name, "title": name, "segments": [{"start": 0, "end": 1, "text": "hello"}]}
        for name in ("a", "b")
    ]
    (tmp_path / "all.json").write_text(json.dumps(entries))
    assert media_of(filled(tmp_path, "all.mp4")) == {"a": None, "b": None}


def test_a_new_file_is_a_change_of_a_watched_folder(tmp_path: Path) -> None:
    before = read_folder(filled(tmp_path, "in/a.vtt")).state
    after = read_folder(filled(tmp_path, "in/a.mp4")).state
    assert after != before
    (tmp_path / "in" / "a.mp4").write_text("More of it was copied.")
    assert read_folder(tmp_path).state == after
