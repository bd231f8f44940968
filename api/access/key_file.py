"""The file of keys: read whole, replaced whole, by one writer at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from api.access.keys import StoredKey
from retrieval.durable_files import replace_file
from retrieval.settings import SettingsError

_VERSION = 1
_ONLY_ITS_OWNER = 0o600


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[StoredKey, ...]
    version: int = _VERSION


def read_keys(path: Path) -> tuple[StoredKey, ...] | None:
    """Read the keys; None where there is no file, which is not the same as a file without keys.

    Raises SettingsError where it cannot be read.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"The keys in {path} (KEYS_FILE) cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, SettingsError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The keys in {path} (KEYS_FILE) are damaged: {error}. "
            "Put the file back, or remove it and add keys anew."
        ) from error
    if content.version != _VERSION:
        raise SettingsError(
            f"The keys in {path} (KEYS_FILE) were written by another version of this program."
        )
    return content.keys


def write_keys(path: Path, keys: tuple[StoredKey, ...]) -> None:
    """Replace the keys: who reads meanwhile, or after a crash, finds the old ones or the new.

    The file stays its owner's, whoever writes it, for the service has to read it. A new one that root
    writes is the folder's owner's. Raises SettingsError where they cannot be written so.
    """
    content = msgspec.json.format(msgspec.json.encode(_Content(keys))) + b"\n"
    try:
        replace_file(path, content, mode=_ONLY_ITS_OWNER, owner=_owner(path))
    except OSError as error:
        raise _cannot_keep(path, error) from error


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Wait for whoever else is changing the keys, then keep others out. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file: the file itself is replaced, and a lock on the old one keeps nobody from the new.
        lock = path.with_name(f".{path.name}.lock").open("w")
    except OSError as error:
        raise _cannot_keep(path, error) from error
    with lock:
        try:
            os.fchown(lock.fileno(), *_owner(path))
        except OSError as error:
            raise _cannot_keep(path, error) from error
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _owner(path: Path) -> tuple[int, int]:
    try:
        kept = path.stat()
    except FileNotFoundError:
        # Another user who may write into the folder may be the service itself, through its group.
        return path.parent.stat().st_uid if os.geteuid() == 0 else -1, -1
    return kept.st_uid, kept.st_gid


def _cannot_keep(path: Path, error: OSError) -> SettingsError:
    why = str(error.strerror)
    if error.errno == errno.EPERM:
        why = "it is another user's, who could not read it any more. Run this as that user, or as root"
    return SettingsError(f"No keys can be kept in {path} (KEYS_FILE): {why}.")
