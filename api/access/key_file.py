"""The key file: read and replaced as a whole, by one writer at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from api.access.keys import StoredKey
from retrieval.declared_setting import SettingsError
from retrieval.durable_files import replace_file

_VERSION = 1
_OWNER_ONLY = 0o600


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[StoredKey, ...]
    version: int = _VERSION


def read_keys(path: Path) -> tuple[StoredKey, ...] | None:
    """Read the keys. Returns None if there is no file, which differs from a file without keys.

    Raises SettingsError if the file cannot be read.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"Cannot read the keys in {path} (KEYS_FILE): {error.strerror}.") from error
    except (msgspec.DecodeError, SettingsError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The keys in {path} (KEYS_FILE) are damaged: {error}. "
            "Restore the file, or remove it and add the keys again."
        ) from error
    if content.version != _VERSION:
        raise SettingsError(
            f"The keys in {path} (KEYS_FILE) were written by another version of vidsearch. "
            "Run that version, or remove the file and add the keys again."
        )
    return content.keys


def write_keys(path: Path, keys: tuple[StoredKey, ...]) -> None:
    """Replace the keys atomically: a reader, even after a crash, finds either the old or the new ones.

    The file keeps its owner, because the service has to read it. A new file that root writes belongs to the
    owner of the folder. Raises SettingsError if the file cannot be written this way.
    """
    content = msgspec.json.format(msgspec.json.encode(_Content(keys))) + b"\n"
    try:
        replace_file(path, content, mode=_OWNER_ONLY, owner=_owner(path))
    except OSError as error:
        raise _cannot_store(path, error) from error


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Hold the lock of the key file. Waits for another writer. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Next to the file: the file itself is replaced, so a lock on it would not protect the new one.
        lock = path.with_name(f".{path.name}.lock").open("w")
    except OSError as error:
        raise _cannot_store(path, error) from error
    with lock:
        try:
            os.fchown(lock.fileno(), *_owner(path))
        except OSError as error:
            raise _cannot_store(path, error) from error
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _owner(path: Path) -> tuple[int, int]:
    try:
        kept = path.stat()
    except FileNotFoundError:
        # A user other than root keeps the file: the service itself may write to the folder through its group.
        return path.parent.stat().st_uid if os.geteuid() == 0 else -1, -1
    return kept.st_uid, kept.st_gid


def _cannot_store(path: Path, error: OSError) -> SettingsError:
    reason = str(error.strerror)
    if error.errno == errno.EPERM:
        reason = (
            "the file belongs to another user, who could then no longer read it. Run as that user or root"
        )
    return SettingsError(f"Cannot store keys in {path} (KEYS_FILE): {reason}.")
