from collections.abc import Iterable
from pathlib import Path

import pytest

from ingest.sources.catalogue import read_catalogue
from ingest.sources.folders.watched import is_read, read_folder

CAPTIONS = "WEBVTT\n\n00:01.000 --> 00:02.000\n{} was said\n"
INFO = '{{"id": "{}", "title": "Talk {}", "_type": "video", "extractor": "x"}}'


def filled(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        stem = name.partition(".")[0]
        content = f"video_id,title\n{stem},Of the table {stem}\n"
        if name.endswith(".vtt"):
            content = CAPTIONS.format(stem)
        if name.endswith(".info.json"):
            content = INFO.format(stem, stem)
        if name == "videos.csv":
            content = "video_id,title\none,Listed\n"
        (folder / name).write_text(content)
    return folder


def titles(sources: Iterable[Path]) -> dict[str, tuple[str, bool]]:
    rows = [row.video for row in read_catalogue([*sources])]
    return {video.video_id: (video.title, bool(video.transcript)) for video in rows if video}


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["one.vtt", "two.vtt"], "one"),
        (["one.vtt", "two.vtt", "videos.csv"], "Listed"),
        (["one.info.json", "one.en.vtt", "two.vtt"], "Talk one"),
        (["one.info.json", "one.en.vtt", "videos.csv"], "Talk one"),
    ],
)
def test_captions_are_read_as_a_sync_of_the_folder_reads_them(
    tmp_path: Path, names: list[str], title: str
) -> None:
    found = read_folder(filled(tmp_path, names))
    assert found.sources == (tmp_path,)
    assert titles(found.sources)["one"] == (title, True)


@pytest.mark.parametrize(
    ("names", "sources", "notice"),
    [
        (["b.jsonl.gz", "a.CSV", ".c.csv", "notes.txt"], ["a.CSV", "b.jsonl.gz"], ""),
        (["videos.csv"], ["videos.csv"], ""),
        (["videos.csv", "more.csv"], ["more.csv", "videos.csv"], ""),
        (["videos.csv", "one.vtt"], ["."], ""),
        (
            ["videos.csv", "one.vtt", "more.csv"],
            ["more.csv", "."],
            "rename a table that lists the captions to videos.csv",
        ),
        (["more.csv", "one.vtt"], ["more.csv", "."], "rename a table that lists the captions to videos.csv"),
        (["videos.csv", "one.info.json"], ["."], "videos.csv is ignored"),
        (["one.live_chat.json", "one.mp4", "._one.vtt"], [], ""),
    ],
)
def test_tables_and_captions_are_both_sources(
    tmp_path: Path, names: list[str], sources: list[str], notice: str
) -> None:
    found = read_folder(filled(tmp_path, names))
    assert found.sources == tuple(tmp_path / name for name in sources)
    assert bool(found.notice) is bool(notice)
    assert notice in (found.notice or "")


def test_a_folder_is_no_table_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "old.csv").mkdir()
    (tmp_path / "old.vtt").mkdir()
    assert read_folder(tmp_path).sources == ()


def test_a_list_that_is_read_is_part_of_the_state(tmp_path: Path) -> None:
    filled(tmp_path, ["one.vtt", "videos.csv"])
    before = read_folder(tmp_path).state
    with (tmp_path / "videos.csv").open("a") as file:
        file.write("two,Another\n")
    assert read_folder(tmp_path).state != before
    filled(tmp_path, ["one.info.json"])
    before = read_folder(tmp_path).state
    (tmp_path / "videos.csv").write_text("")
    assert read_folder(tmp_path).state == before


def test_links_are_followed(tmp_path: Path) -> None:
    filled(tmp_path, ["talks.csv"])
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "link.csv").symlink_to(tmp_path / "talks.csv")
    (folder / "lost.vtt").symlink_to(tmp_path / "none.vtt")
    found = read_folder(folder)
    assert found.sources == (folder / "link.csv",)
    assert found.passed_over == (str(folder / "lost.vtt"),)
    (tmp_path / "talks.csv").write_text("video_id,title\nb,B\n")
    assert read_folder(folder).state != found.state


@pytest.mark.parametrize("name", ["a.csv", "A.JSONL.GZ", "a.en.vtt", "report.json", "a.info.json"])
def test_files_that_are_read(name: str) -> None:
    assert is_read(name)
    assert not is_read(f".{name}")
    assert not is_read(f"{name}.part")


def test_a_change_in_a_subfolder_is_a_change(tmp_path: Path) -> None:
    filled(tmp_path, ["one.vtt"])
    (tmp_path / "inner").mkdir()
    before = read_folder(tmp_path)
    filled(tmp_path / "inner", ["two.vtt"])
    after = read_folder(tmp_path)
    assert before.sources == after.sources == (tmp_path,)
    assert before.state != after.state
    assert titles(after.sources).keys() == {"one", "two"}
    filled(tmp_path / "inner", ["videos.csv"])
    assert read_folder(tmp_path).state != after.state
