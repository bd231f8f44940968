"""What a searcher needs to know, read from the environment by the entry points only."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from retrieval.errors import VidsearchError

DATA_DIR = Path(".data")
_DIGITS = 18
"""A number longer than this is a slip of the keyboard, and Python refuses to read very long ones."""


class SettingsError(VidsearchError):
    """An environment variable whose value cannot be used; the message names it."""


def usable_cores() -> int:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0))


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the index and the model are, and how much memory and processor a searcher may use."""

    index_dir: Path = DATA_DIR / "index"
    model_dir: Path = DATA_DIR / "model"
    cached_results: int = 1024
    encoder_threads: int = msgspec.field(default_factory=usable_cores)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SearchSettings":
        """Read INDEX_DIR, MODEL_DIR, SEARCH_CACHE and ENCODER_THREADS. Raises SettingsError."""
        defaults = cls()
        return cls(
            index_dir=Path(environment.get("INDEX_DIR") or defaults.index_dir),
            model_dir=Path(environment.get("MODEL_DIR") or defaults.model_dir),
            cached_results=whole_number(environment, "SEARCH_CACHE", defaults.cached_results, least=0),
            encoder_threads=whole_number(environment, "ENCODER_THREADS", defaults.encoder_threads, least=1),
        )


def whole_number(environment: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    """Read a whole number of at least `least`; unset or empty means the default. Raises SettingsError."""
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS) or int(text) < least:
        raise SettingsError(f"{name} is {text!r}, and must be a whole number of at least {least}.")
    return int(text)
