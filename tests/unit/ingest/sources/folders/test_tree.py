import json
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SourceError
from ingest.rows.reasons import FETCH_FAILED
from ingest.rows.row import CheckedRow
from ingest.sources.opening import open_source
from tests.support.caption_data import subtitle
from tests.support.reading import checked_rows as check


def add(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def found(rows: list[CheckedRow]) -> list[tuple[str, str | None] | str]:
    return [
        (row.video.video_id, row.video.transcript) if row.video else row.problems[0].reason_code
        for row in rows
    ]


def test_each_subfolder_is_read_as_its_own_kind(tmp_path: Path) -> None:
    add(tmp_path / "Uploader B" / "2024" / "one.info.json", {"id": "b1", "title": "B1"})
    add(tmp_path / "Uploader B" / "2024" / "one.en.vtt", subtitle("b one"))
    add(tmp_path / "Uploader A" / "a2.srt", subtitle("a two"))
    add(tmp_path / "Uploader A" / "videos.csv", "id,title\na2,Second\n")
    add(tmp_path / "root.vtt", subtitle("root"))
    add(tmp_path / ".hidden" / "x.vtt", subtitle("x"))
    (tmp_path / "Uploader A" / "loop").symlink_to(tmp_path)
    assert found(check(tmp_path)) == [("root", "root"), ("a2", "a two"), ("b1", "b one")]


def test_failed_captions_are_reported_if_each_video_has_a_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        info = {"id": name, "title": name, "automatic_captions": {"en": []}}
        add(tmp_path / name / f"{name}.info.json", info)
    assert found(check(tmp_path)) == [("a", None), ("b", None)]
    add(tmp_path / "b" / "b.en.vtt", subtitle("fetched"))
    assert found(check(tmp_path)) == [FETCH_FAILED, ("b", "fetched")]


def test_a_tree_can_be_read_twice(tmp_path: Path) -> None:
    add(tmp_path / "a" / "a.vtt", subtitle("a"))
    source = open_source(tmp_path)
    assert list(source.rows()) == list(source.rows())


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "neither it nor its subfolders contain a .vtt, .srt, .sbv, "),
        ({"a/b.txt": "x"}, " file; give the folder that contains them"),
        ({"talks.csv": "x", "b.jsonl": "x"}, "; give tables such as b.jsonl by their own names"),
        (
            {"videos.csv": "id,title\n", "sub/a.vtt": "x"},
            "videos.csv: there is no caption file next to it; move it",
        ),
    ],
)
def test_a_folder_without_captions_is_an_error(files: dict[str, str], told: str, tmp_path: Path) -> None:
    for name, content in files.items():
        add(tmp_path / name, content)
    with pytest.raises(SourceError) as caught:
        open_source(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
    assert told in str(caught.value)
