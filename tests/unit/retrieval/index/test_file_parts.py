import os
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from retrieval.errors import IndexUnavailableError
from retrieval.index.file_parts import FilePart, parts_of, write_parts

HOLE = 40 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "videos" / "deep").mkdir(parents=True)
    (folder / "videos" / "empty").write_bytes(b"")
    (folder / "videos" / "large.dat").write_bytes(os.urandom(9 << 20))
    with (folder / "videos" / "deep" / "page_0.dat").open("wb") as file:
        file.write(b"begins")
        file.seek(HOLE)
        file.write(b"ends")
        file.truncate(2 * HOLE)
    with (folder / "videos" / "hole").open("wb") as file:
        file.truncate(HOLE)
    return folder


def read(folder: Path) -> list[FilePart]:
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = {name: path.open("rb") for name, path in paths.items()}
    try:
        return list(parts_of(files))
    finally:
        for file in files.values():
            file.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_copied_files_have_the_same_bytes_and_their_holes_stay_holes(source: Path, tmp_path: Path) -> None:
    parts = read(source)
    assert sum(len(part.data) for part in parts) < 10 << 20
    assert max(len(part.data) for part in parts) <= 4 << 20
    write_parts(tmp_path / "target", parts)
    assert contents(tmp_path / "target") == contents(source)
    hole = tmp_path / "target" / "videos" / "deep" / "page_0.dat"
    assert hole.stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize(
    "pattern", [(1,), (0,), (0, 1), (1, 0), (0, 1, 1, 0, 0, 1), (0,) * 1024 + (1,) * 1030]
)
@pytest.mark.parametrize("rest", [0, 1, 4095])
def test_pages_of_zeros_are_left_out_whether_or_not_they_are_holes(
    tmp_path: Path, pattern: tuple[int, ...], rest: int
) -> None:
    content = b"".join(bytes([page]) * 4096 for page in pattern) + b"x" * rest
    (tmp_path / "written").mkdir()
    (tmp_path / "written" / "a").write_bytes(content)
    parts = read(tmp_path / "written")
    assert sum(len(part.data) for part in parts) == 4096 * sum(pattern) + rest
    write_parts(tmp_path / "holes", parts)
    assert contents(tmp_path / "holes") == {"a": content}
    assert read(tmp_path / "holes") == parts


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "videos/../../outside",
        "/tmp/outside",  # noqa: S108 - it is never created.
        "",
        ".",
        "..",
        "videos/",
        "videos//a",
        "./videos/a",
        "videos/.hidden",
        "videos\\..\\a",
        "videos/a\0b",
        "videos/a\nb",
        "videos/" + "a" * 300,
        "/".join("a" * 40),
        "vidéos/a",
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(IndexUnavailableError, match="is not a file of an index"):
        write_parts(folder, [FilePart(path, 1, 0, b"x")])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    # Reading refuses the same paths.
    with TemporaryFile() as file, pytest.raises(IndexUnavailableError, match="is not a file of an index"):
        list(parts_of({path: file}))


@pytest.mark.parametrize(
    "parts",
    [
        [FilePart("a", 3, 1, b"four")],
        [FilePart("a", 3, 5, b"")],
        [FilePart("a", 8, 4, b"four"), FilePart("a", 8, 0, b"four")],
        [FilePart("a", 8, 0, b"four"), FilePart("a", 8, 3, b"four")],
        [FilePart("a", 4, 0, b"four"), FilePart("a", 1 << 40, 4, b"four"), FilePart("b", 1, 0, b"twoo")],
    ],
)
def test_parts_must_fit_their_file(tmp_path: Path, parts: list[FilePart]) -> None:
    with pytest.raises(IndexUnavailableError, match="do not fit together"):
        write_parts(tmp_path, parts)


def test_a_file_that_appears_twice_is_refused(tmp_path: Path) -> None:
    parts = [FilePart("a", 1, 0, b"x"), FilePart("b", 1, 0, b"x"), FilePart("a", 1, 0, b"y")]
    with pytest.raises(IndexUnavailableError, match="'a' appears twice"):
        write_parts(tmp_path, parts)
