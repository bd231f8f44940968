"""How a snapshot's file comes to its place; what is in it is tested in tests/integration/test_backup.py."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.backup import snapshot
from ingest.backup.snapshot import arriving


def test_two_snapshots_of_one_name_do_not_write_into_each_other(tmp_path: Path) -> None:
    """Two containers may well give both the same process number."""
    path = tmp_path / "talks.tar"
    with arriving(path, replace=True) as (slow, _):
        slow.write(b"A" * 1000)
        with arriving(path, replace=True) as (quick, _):
            quick.write(b"B" * 1500)
        assert path.read_bytes() == b"B" * 1500
        slow.write(b"A" * 1000)
    assert path.read_bytes() == b"A" * 2000
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_that_another_snapshot_deletes_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talks.tar"
    lock: Callable[..., None] = fcntl.flock
    others = iter([True])

    def lock_late(file: object, how: int) -> None:
        if how == fcntl.LOCK_EX and next(others, False):
            snapshot.clear_left_behind(path)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with arriving(path, replace=False) as (file, _):
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert next(others, None) is None


def test_what_cannot_be_cleared_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "talks.tar"
    stays, left = (tmp_path / f".talks.tar.{name}.unfinished" for name in ("a", "b"))
    stays.mkdir()
    left.write_bytes(b"half")
    left.with_suffix(".scratch").mkdir()
    with arriving(path, replace=False) as (file, _):
        file.write(b"whole")
    assert {*tmp_path.iterdir()} == {path, stays}


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "disk" / "talks.tar", tmp_path / "latest.tar"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    with arriving(link, replace=True) as (file, _):
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert {*tmp_path.rglob("*")} == {link, target, target.parent}
