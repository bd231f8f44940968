"""The file of keys: read whole, replaced whole, by one writer at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from api.keys import StoredKey
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

    Raises SettingsError where they cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(_Content(keys))) + b"\n"
    try:
        replace_file(path, content, mode=_ONLY_ITS_OWNER)
    except OSError as error:
        raise SettingsError(f"No keys can be kept in {path} (KEYS_FILE): {error.strerror}.") from error


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Wait for whoever else is changing the keys, then keep others out. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file: the file itself is replaced, and a lock on the old one keeps nobody from the new.
        lock = path.with_name(f".{path.name}.lock").open("w")
    except OSError as error:
        raise SettingsError(f"No keys can be kept in {path} (KEYS_FILE): {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
