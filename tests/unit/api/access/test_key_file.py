import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.access.key_file import one_writer, read_keys, write_keys
from api.access.keys import make_key
from retrieval.declared_setting import SettingsError

SERVICE = 65_534
"""The id of a user; no such user needs to exist."""

KEYS = tuple(make_key(name, ["search"], datetime.now(UTC))[1] for name in ("one", "two"))


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.touch(mode=0o644)
    write_keys(path, KEYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give files away.")
@pytest.mark.parametrize("is_new", [True, False])
def test_a_file_that_root_writes_stays_the_services(tmp_path: Path, *, is_new: bool) -> None:
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


def test_a_user_who_cannot_keep_the_owner_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, KEYS)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(SettingsError, match="Run as that user"):
        write_keys(path, ())
    with pytest.raises(SettingsError, match="Run as that user"), one_writer(path):
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
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="KEYS_FILE"):
        read_keys(path)


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Cannot read"):
        read_keys(tmp_path)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="Cannot store keys"), one_writer(tmp_path / "file" / "keys"):
        pass
