"""How the file of a snapshot is replaced; tests/integration/test_backup.py tests its contents."""

from pathlib import Path

from ingest.backup.snapshot import new_file


def test_two_snapshots_to_one_name_do_not_mix(tmp_path: Path) -> None:
    """Two containers may have the same process ids."""
    path = tmp_path / "talks.tar"
    with new_file(path, replace=True) as (slow, _):
        slow.write(b"A" * 1000)
        with new_file(path, replace=True) as (quick, _):
            quick.write(b"B" * 1500)
        assert path.read_bytes() == b"B" * 1500
        slow.write(b"A" * 1000)
    assert path.read_bytes() == b"A" * 2000
    assert [*tmp_path.iterdir()] == [path]


def test_an_undeletable_leftover_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "talks.tar"
    stays, left = (tmp_path / f".talks.tar.{name}.unfinished" for name in ("a", "b"))
    stays.mkdir()
    left.write_bytes(b"half")
    left.with_suffix(".scratch").mkdir()
    with new_file(path, replace=False) as (file, _):
        file.write(b"whole")
    assert {*tmp_path.iterdir()} == {path, stays}


def test_the_target_of_a_link_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "disk" / "talks.tar", tmp_path / "latest.tar"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    with new_file(link, replace=True) as (file, _):
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert {*tmp_path.rglob("*")} == {link, target, target.parent}
