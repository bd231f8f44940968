"""What a searcher needs to know, read from the environment by the entry points only."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from retrieval.errors import VidsearchError

DATA_DIR = Path(".data")
_DIGITS = 18
"""A number longer than this is a slip of the keyboard, and Python refuses to read very long ones."""

LARGEST_PORT = 65_535

_COLLECTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class SettingsError(VidsearchError):
    """An environment variable whose value cannot be used; the message names it."""


def usable_cores() -> int:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0))


class QdrantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which Qdrant server keeps the index, and how.

    `collection` is what the names of its collections begin with. The last three are of a new collection: in
    how many shards, each on how many nodes, and how many of those must acknowledge a write. Raises
    SettingsError when built of what cannot be.
    """

    url: str
    api_key: str | None = None
    grpc_port: int = 6334
    collection: str = "vidsearch"
    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not _COLLECTION_NAME.fullmatch(self.collection):
            raise SettingsError(
                f"QDRANT_COLLECTION is {self.collection!r}, and must be letters, digits, - and _ only."
            )
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise SettingsError(
                "QDRANT_API_KEY holds what no key holds: a line break, or a letter beyond ASCII."
            )
        if self.grpc_port > LARGEST_PORT:
            raise SettingsError(f"QDRANT_GRPC_PORT is {self.grpc_port}, and must be at most {LARGEST_PORT}.")
        if self.write_consistency > self.replicas:
            raise SettingsError(
                f"QDRANT_WRITE_CONSISTENCY is {self.write_consistency}, and there are only {self.replicas} "
                "replicas (QDRANT_REPLICAS) to acknowledge a write."
            )

    def __repr__(self) -> str:
        """Show where the server is, and not its key."""
        return f"QdrantSettings(url={self.url!r}, collection={self.collection!r})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "QdrantSettings | None":
        """Read the QDRANT_ variables; None where QDRANT_URL is unset. Raises SettingsError."""
        url = environment.get("QDRANT_URL", "").strip()
        if not url:
            return None
        return cls(
            url=url,
            api_key=environment.get("QDRANT_API_KEY", "").strip() or None,
            grpc_port=whole_number(environment, "QDRANT_GRPC_PORT", 6334, least=1),
            collection=environment.get("QDRANT_COLLECTION") or "vidsearch",
            shards=whole_number(environment, "QDRANT_SHARDS", 1, least=1),
            replicas=whole_number(environment, "QDRANT_REPLICAS", 1, least=1),
            write_consistency=whole_number(environment, "QDRANT_WRITE_CONSISTENCY", 1, least=1),
        )


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the index and the model are, and how much memory and processor a searcher may use.

    The index is on the server that `qdrant` names, else in `index_dir`.
    """

    index_dir: Path = DATA_DIR / "index"
    model_dir: Path = DATA_DIR / "model"
    qdrant: QdrantSettings | None = None
    cached_results: int = 1024
    encoder_threads: int = msgspec.field(default_factory=usable_cores)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SearchSettings":
        """Read INDEX_DIR, MODEL_DIR, SEARCH_CACHE, ENCODER_THREADS and QDRANT_*. Raises SettingsError."""
        defaults = cls()
        return cls(
            index_dir=Path(environment.get("INDEX_DIR") or defaults.index_dir),
            model_dir=Path(environment.get("MODEL_DIR") or defaults.model_dir),
            qdrant=QdrantSettings.from_environment(environment),
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


def _check_url(url: str) -> None:
    """Raise SettingsError unless this is an address of a server, and nothing more."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"QDRANT_URL is {url!r}, and must be like http://localhost:6333.")
    if "@" in parts.netloc:
        raise SettingsError("QDRANT_URL holds a user or a password. Give the key in QDRANT_API_KEY.")
