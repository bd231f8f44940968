"""The settings that the API and ingest share."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from retrieval.declared_setting import (
    FOLDER,
    HTTP_URL,
    PORT_NUMBER,
    TEXT,
    Kind,
    Setting,
    SettingsError,
    is_http_url,
    whole_number,
)

DATA_DIR = Path(".data")


def usable_cores() -> int:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0))


_NAME = Kind("1 to 100 letters, digits, - and _", str, re.compile(r"[A-Za-z0-9_-]{1,100}").fullmatch)

INDEX_DIR = Setting("INDEX_DIR", FOLDER, DATA_DIR / "index", "Folder of the embedded index.")
MODEL_DIR = Setting("MODEL_DIR", FOLDER, DATA_DIR / "model", "Folder of the exported model.")
SEARCH_CACHE = Setting(
    "SEARCH_CACHE", whole_number(0), 1024, "Number of search results to cache; 0 disables the cache.", "api"
)
ENCODER_THREADS = Setting(
    "ENCODER_THREADS",
    whole_number(1),
    usable_cores(),
    "Queries to embed at once.",
    "api",
    "one per processor",
)
QDRANT_URL = Setting(
    "QDRANT_URL",
    Kind(HTTP_URL.expected, str),
    "",
    "URL of a Qdrant server that holds the index, instead of INDEX_DIR. Port 6333 if the URL has none.",
    shown_default="none, the embedded engine",
)
QDRANT_API_KEY = Setting("QDRANT_API_KEY", TEXT, "", "API key of the Qdrant server.", shown_default="no key")
QDRANT_GRPC_PORT = Setting(
    "QDRANT_GRPC_PORT", PORT_NUMBER, 6334, "gRPC port of the Qdrant server. If it is closed, REST is used."
)
QDRANT_COLLECTION = Setting(
    "QDRANT_COLLECTION", _NAME, "vidsearch", "Prefix of the names of the Qdrant collections."
)
QDRANT_SHARDS = Setting("QDRANT_SHARDS", whole_number(1), 1, "Shards of a new collection.", "ingest")
QDRANT_REPLICAS = Setting(
    "QDRANT_REPLICAS", whole_number(1), 1, "Number of nodes that hold a copy of each shard.", "ingest"
)
QDRANT_WRITE_CONSISTENCY = Setting(
    "QDRANT_WRITE_CONSISTENCY", whole_number(1), 1, "Replicas that must acknowledge a write.", "ingest"
)
INDEX_SETTINGS: tuple[Setting[Any], ...] = (INDEX_DIR, MODEL_DIR, SEARCH_CACHE, ENCODER_THREADS)
QDRANT_SETTINGS: tuple[Setting[Any], ...] = (
    *(QDRANT_URL, QDRANT_API_KEY, QDRANT_GRPC_PORT, QDRANT_COLLECTION),
    *(QDRANT_SHARDS, QDRANT_REPLICAS, QDRANT_WRITE_CONSISTENCY),
)


class QdrantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The Qdrant server that holds the index, and the layout of a new collection on it.

    Raises SettingsError for values that cannot be used, alone or together.
    """

    url: str
    api_key: str | None = None
    grpc_port: int = QDRANT_GRPC_PORT.default
    collection: str = QDRANT_COLLECTION.default
    shards: int = QDRANT_SHARDS.default
    replicas: int = QDRANT_REPLICAS.default
    write_consistency: int = QDRANT_WRITE_CONSISTENCY.default

    def __post_init__(self) -> None:
        if "@" in self.url:  # Checked first, so that no message shows a password.
            raise SettingsError(
                "QDRANT_URL contains a user name or a password. Set QDRANT_API_KEY to the key instead."
            )
        if not is_http_url(self.url):
            raise QDRANT_URL.refusal(self.url)
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise SettingsError(
                "QDRANT_API_KEY contains a line break or a non-ASCII character. Set it to the server's key."
            )
        QDRANT_COLLECTION.check(self.collection)
        QDRANT_GRPC_PORT.check(self.grpc_port)
        if self.write_consistency > self.replicas:
            raise SettingsError(
                f"QDRANT_WRITE_CONSISTENCY is {self.write_consistency}, more than QDRANT_REPLICAS, which is "
                f"{self.replicas}. Lower the first or raise the second."
            )

    def __repr__(self) -> str:
        """Show the server and the collection, never the key."""
        return f"QdrantSettings(url={self.url!r}, collection={self.collection!r})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "QdrantSettings | None":
        """Read the QDRANT_ settings; return None if QDRANT_URL is unset. Raises SettingsError."""
        url = QDRANT_URL.read(environment)
        if not url:
            return None
        return cls(
            url=url,
            api_key=QDRANT_API_KEY.read(environment) or None,
            grpc_port=QDRANT_GRPC_PORT.read(environment),
            collection=QDRANT_COLLECTION.read(environment),
            shards=QDRANT_SHARDS.read(environment),
            replicas=QDRANT_REPLICAS.read(environment),
            write_consistency=QDRANT_WRITE_CONSISTENCY.read(environment),
        )


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The index, the model, and the memory and processors that a searcher may use.

    The index is on the server that `qdrant` describes, or in `index_dir` if `qdrant` is None.
    """

    index_dir: Path = INDEX_DIR.default
    model_dir: Path = MODEL_DIR.default
    qdrant: QdrantSettings | None = None
    cached_results: int = SEARCH_CACHE.default
    encoder_threads: int = ENCODER_THREADS.default

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SearchSettings":
        """Read INDEX_SETTINGS and QDRANT_SETTINGS. Raises SettingsError."""
        return cls(
            index_dir=INDEX_DIR.read(environment),
            model_dir=MODEL_DIR.read(environment),
            qdrant=QdrantSettings.from_environment(environment),
            cached_results=SEARCH_CACHE.read(environment),
            encoder_threads=ENCODER_THREADS.read(environment),
        )
