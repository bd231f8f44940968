"""How a setting is declared and read, and the settings that the API and ingest share.

A setting is one environment variable. It is declared once, with its name, its default and its help text.
`--help`, docs/settings.md and .env.example are generated from the declarations (`make settings`).
"""

import os
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from retrieval.errors import VidsearchError

DATA_DIR = Path(".data")
LARGEST_PORT = 65_535
_MAX_DIGITS = 18
"""A longer number is a typing error, and Python refuses to parse very long ones."""
_HELP_WIDTH = 110

T = TypeVar("T")


class SettingsError(VidsearchError):
    """A setting has a value that cannot be used. The message names the setting."""


class Kind(msgspec.Struct, Generic[T], frozen=True):
    """The values that a setting can have: how to parse one, and the range that is accepted.

    `expected` completes the sentence "Set it to ...". `parse` raises ValueError for text of another form.
    """

    expected: str
    parse: Callable[[str], T]
    accepts: Callable[[Any], object] = lambda _: True


class Setting(msgspec.Struct, Generic[T], frozen=True):
    """One environment variable. An empty or blank value means the same as an unset one: the default.

    `used_by` names the commands that the setting has an effect on. `shown_default` describes a default that
    depends on the machine, or that is None.
    """

    name: str
    kind: Kind[T]
    default: T
    help: str
    used_by: Literal["api", "ingest", "both"] = "both"
    shown_default: str = ""

    def read(self, environment: Mapping[str, str]) -> T:
        """Return the value that the environment gives, or the default. Raises SettingsError."""
        text = environment.get(self.name, "").strip()
        if not text:
            return self.default
        try:
            value = self.kind.parse(text)
        except ValueError:
            raise self.refusal(text) from None
        self.check(value)
        return value

    def check(self, value: T) -> None:
        """Raise SettingsError for a value outside the accepted range; None, which is unset, passes."""
        if value is not None and not self.kind.accepts(value):
            raise self.refusal(value)

    def refusal(self, value: object, verb: str = "is") -> SettingsError:
        """Describe a value that cannot be used, and which values can."""
        return SettingsError(f"{self.name} {verb} {value!r}. Set it to {self.kind.expected}.")

    @property
    def default_text(self) -> str:
        """The default as a person would write it."""
        return self.shown_default or str(self.default)


def whole_number(least: int, most: int | None = None) -> Kind[int]:
    """Describe whole numbers in ASCII digits, both limits included."""
    expected = f"a whole number of at least {least}" if most is None else f"a number from {least} to {most}"
    return Kind(expected, _parse_digits, lambda number: least <= number and (most is None or number <= most))


def choice(*words: str) -> Kind[Any]:
    """Describe one of these words, in any case."""
    return Kind(f"one of {', '.join(words)}", str.lower, lambda word: word in words)


def is_http_url(url: str) -> bool:
    """Return whether this is an http or https URL with a host."""
    try:
        parts = urlsplit(url)
        return bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        return False


def usable_cores() -> int:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0))


def describe_settings(settings: Iterable[Setting[Any]], used_by: Literal["api", "ingest"]) -> str:
    """Format the settings of a command for its `--help`, in two columns."""
    shown = [setting for setting in settings if setting.used_by in (used_by, "both")]
    width = max(len(setting.name) for setting in shown)
    return "\n".join(
        textwrap.fill(
            f"  {setting.name:<{width}}  {setting.help} (default: {setting.default_text})",
            _HELP_WIDTH,
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )
        for setting in shown
    )


def _parse_digits(text: str) -> int:
    # int() also accepts signs, underscores, blanks and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValueError(text)
    return int(text)


FOLDER = Kind("a path", Path)
TEXT = Kind("a text", str)
PORT_NUMBER = whole_number(1, LARGEST_PORT)
SHARE = Kind("a share from 0 to 1", float, lambda share: 0 <= share <= 1)
HTTP_URL = Kind("a URL like http://localhost:6333", str, is_http_url)
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
