import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.access.key_file import one_writer, read_keys, write_keys
from api.access.keys import make_key
from retrieval.settings import SettingsError

SERVICE = 65_534
"""The number of a user, of whom nobody needs to know."""

KEYS = tuple(make_key(name, ["search"], datetime.now(UTC))[1] for name in ("one", "two"))


def test_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    for keys in (KEYS, KEYS[:1], ()):
        write_keys(path, keys)
        assert read_keys(path) == keys


def test_no_file_is_not_a_file_without_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert read_keys(path) is None
    write_keys(path, ())
    assert read_keys(path) == ()


def test_only_its_owner_may_read_it_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.touch(mode=0o644)
    write_keys(path, KEYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give files away.")
@pytest.mark.parametrize("is_new", [True, False])
def test_it_stays_readable_for_the_service_whoever_writes_it(tmp_path: Path, *, is_new: bool) -> None:
    folder = tmp_path / "keys"
    path = folder / "keys.json"
    folder.mkdir()
    if not is_new:
        path.touch()
        os.chown(path, SERVICE, SERVICE)
    else:
        os.chown(folder, SERVICE, SERVICE)
    for keys in (KEYS, ()):
        with one_writer(path):
            write_keys(path, keys)
        # The lock too: the next key may be added by the service's own user.
        assert {each.stat().st_uid for each in folder.iterdir()} == {SERVICE}
        assert is_new or path.stat().st_gid == SERVICE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give files away.")
def test_who_is_not_root_keeps_new_keys_in_anothers_folder_as_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    os.chown(folder, SERVICE, SERVICE)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with one_writer(folder / "keys.json"):
        write_keys(folder / "keys.json", KEYS)
    assert {each.stat().st_uid for each in folder.iterdir()} == {0}


def test_who_may_not_keep_its_owner_changes_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, KEYS)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(SettingsError, match="Run this as that user"):
        write_keys(path, ())
    with pytest.raises(SettingsError, match="Run this as that user"), one_writer(path):
        pass
    assert read_keys(path) == KEYS
    assert {each.name for each in tmp_path.iterdir()} <= {"keys.json", ".keys.json.lock"}


@pytest.mark.parametrize("step", ["fsync", "fchmod"])
def test_a_write_that_fails_leaves_the_old_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, KEYS)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(SettingsError, match=r"KEYS_FILE.*No space left"):
        write_keys(path, ())
    assert read_keys(path) == KEYS


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"keys": [{}]}', b'{"keys": [], "more": 1}', b'{"keys": [], "version": 2}', b"\xff"],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="KEYS_FILE"):
        read_keys(path)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_keys(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="No keys can be kept"), one_writer(tmp_path / "file" / "keys"):
        pass
