import os
from pathlib import Path

import pytest

from retrieval.durable_files import copy_sparse, replace_file, sync_tree


class DiskFullError(OSError):
    pass


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes of everything made durable, in order."""
    inodes: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return inodes


def test_a_file_is_created_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    for content in (b"first", b"", b"\x00\xff" * 100_000):
        replace_file(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_durable_before_the_rename_and_the_rename_before_the_return(
    tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "CURRENT"
    at_rename: list[list[int]] = []
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        at_rename.append(list(synced))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    replace_file(path, b"content")
    assert at_rename == [[path.stat().st_ino]]
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]


def test_a_reader_never_sees_a_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "CURRENT"
    path.write_bytes(b"old")

    def fail(_: int) -> None:
        assert path.read_bytes() == b"old"
        raise DiskFullError

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiskFullError):
        replace_file(path, b"new content")
    assert path.read_bytes() == b"old"


def test_an_open_reader_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"


def test_a_temporary_file_left_by_a_crash_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    (tmp_path / f".CURRENT.{os.getpid()}").write_bytes(b"half written and longer than the new content")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_every_file_and_folder_of_a_tree_is_synced(tmp_path: Path, synced: list[int]) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep").write_bytes(b"1")
    (tmp_path / "a" / "empty").mkdir()
    (tmp_path / "top").write_bytes(b"2")
    sync_tree(tmp_path)
    everything = {path.stat().st_ino for path in (tmp_path, *tmp_path.rglob("*"))}
    assert set(synced) == everything


def write_sparse(path: Path, parts: dict[int, bytes], size: int) -> bytes:
    """Write a file with data at these offsets and holes between; return its whole content."""
    with path.open("wb") as file:
        for start, data in parts.items():
            file.seek(start)
            file.write(data)
        file.truncate(size)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ({}, 0),
        ({}, 32 << 20),
        ({0: b"data"}, 4),
        ({0: b"start"}, 4 << 20),
        ({(4 << 20) - 3: b"end"}, 4 << 20),
        ({5: b"odd", (1 << 20) - 1: b"across", 3 << 20: b"\0zeros\0"}, (5 << 20) + 7),
        ({0: b"7" * ((2 << 20) + 11)}, (3 << 20) + 1),
    ],
)
def test_a_sparse_copy_has_the_same_content_wherever_the_holes_are(
    tmp_path: Path, parts: dict[int, bytes], size: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    content = write_sparse(source, parts, size)
    assert copy_sparse(str(source), str(target)) == str(target)
    assert target.read_bytes() == content
    assert target.stat().st_blocks <= source.stat().st_blocks


def test_a_copy_replaces_the_target_and_leaves_the_source(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.write_bytes(b"longer than what comes")
    source.write_bytes(b"short")
    copy_sparse(str(source), str(target))
    assert target.read_bytes() == b"short"
    assert source.read_bytes() == b"short"
