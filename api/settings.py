"""The settings of the HTTP service: declared and read here, checked once, and passed down."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from api.access.settings import ACCESS_SETTINGS, AccessSettings, is_loopback
from api.observability.health import Expectations
from api.observability.logs import LogFormat, LogLevel
from api.pages.search_view import Thumbnails
from retrieval.declared_setting import (
    FOLDER,
    HTTP_URL,
    PORT_NUMBER,
    SHARE,
    Kind,
    Setting,
    SettingsError,
    choice,
    whole_number,
)
from retrieval.settings import INDEX_SETTINGS, QDRANT_SETTINGS, SearchSettings, usable_cores

SEARCHES_A_CORE = 2
"""With more searches in flight per processor, a search spends most of its time waiting for others."""

_ADDRESS = Kind("an address to listen on, like 127.0.0.1", str, str.strip)
_OPTIONAL_PORT: Kind[int | None] = Kind(PORT_NUMBER.expected, PORT_NUMBER.parse, PORT_NUMBER.accepts)
_OPTIONAL_FOLDER: Kind[Path | None] = Kind(FOLDER.expected, FOLDER.parse)
_OPTIONAL_URL: Kind[str | None] = Kind(
    "the address of an OTLP collector that accepts HTTP, like http://localhost:4318", str, HTTP_URL.accepts
)

HOST = Setting("HOST", _ADDRESS, "127.0.0.1", "Address to listen on; 0.0.0.0 for every network.", "api")
PORT = Setting("PORT", PORT_NUMBER, 8080, "Port to listen on.", "api")
MAX_SEARCHES = Setting(
    "MAX_SEARCHES",
    whole_number(1),
    SEARCHES_A_CORE * usable_cores(),
    "Number of searches that run at once under overload. The service answers the others with a 503.",
    "api",
    "2 per processor",
)
DRAIN_SECONDS = Setting(
    "DRAIN_SECONDS",
    whole_number(0),
    1,
    "Seconds for which /readyz reports a stop before the port closes.",
    "api",
)
HEALTH_LEAST_COVERAGE = Setting(
    "HEALTH_LEAST_COVERAGE", SHARE, 0, "/health warns if a smaller share of videos has a transcript.", "api"
)
HEALTH_MOST_DAYS = Setting(
    "HEALTH_MOST_DAYS",
    whole_number(0),
    0,
    "/health warns if the index is older, in days; 0 disables it.",
    "api",
)
PAGE_THUMBNAILS = Setting(
    "PAGE_THUMBNAILS",
    choice(*get_args(Thumbnails)),
    "catalogue",
    "Thumbnails of the search page, which are on other hosts. catalogue: those that the catalogue names; on: "
    "also YouTube's, for YouTube videos; off: none.",
    "api",
)
MEDIA_DIR = Setting(
    "MEDIA_DIR",
    _OPTIONAL_FOLDER,
    None,
    "Folder of your own audio and video files, which the column `media` of the catalogue names. Everyone "
    "with search access can load them.",
    "api",
    "none, no files",
)
METRICS_PORT = Setting(
    "METRICS_PORT",
    _OPTIONAL_PORT,
    None,
    "A separate port for /metrics, which is then on no other port.",
    "api",
    "none, /metrics is on PORT",
)
METRICS_HOST = Setting(
    "METRICS_HOST",
    _ADDRESS,
    "127.0.0.1",
    "Address for METRICS_PORT. On any address but loopback, /metrics needs a key of the scope metrics once "
    "there are keys.",
    "api",
)
LOG_FORMAT = Setting(
    "LOG_FORMAT",
    choice(*get_args(LogFormat)),
    "auto",
    "json, console, or auto: console on a terminal, json otherwise.",
    "api",
)
LOG_LEVEL = Setting(
    "LOG_LEVEL",
    choice(*get_args(LogLevel)),
    "info",
    "debug, info, warning or error. debug also logs health probes.",
    "api",
)
OTEL_EXPORTER_OTLP_ENDPOINT = Setting(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    _OPTIONAL_URL,
    None,
    "OTLP collector that receives traces, like http://localhost:4318. OpenTelemetry reads the other OTEL_ "
    "variables itself.",
    "api",
    "none, no traces",
)

SERVICE_SETTINGS: tuple[Setting[Any], ...] = (
    *(HOST, PORT, MAX_SEARCHES, DRAIN_SECONDS, PAGE_THUMBNAILS, MEDIA_DIR),
)
OBSERVABILITY_SETTINGS: tuple[Setting[Any], ...] = (
    *(HEALTH_LEAST_COVERAGE, HEALTH_MOST_DAYS, METRICS_PORT, METRICS_HOST),
    *(LOG_FORMAT, LOG_LEVEL, OTEL_EXPORTER_OTLP_ENDPOINT),
)
SETTINGS = (
    *(*SERVICE_SETTINGS, *INDEX_SETTINGS, *QDRANT_SETTINGS),
    *(*ACCESS_SETTINGS, *OBSERVABILITY_SETTINGS),
)
"""Every setting that the service reads."""


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the service. Raises SettingsError for values that cannot be used, alone or together.

    `drain_seconds`: how long the service reports that it stops before it accepts no more requests.
    `page_thumbnails`: which images from other hosts the search page shows.
    `media_dir` None: no files are served but the demo's clip.
    `metrics_port` None: `/metrics` is on the service's own port. `traces_endpoint` None: no traces.
    """

    search: SearchSettings
    host: str = HOST.default
    port: int = PORT.default
    access: AccessSettings = AccessSettings()
    max_searches: int = MAX_SEARCHES.default
    drain_seconds: int = DRAIN_SECONDS.default
    expected: Expectations = Expectations()
    page_thumbnails: Thumbnails = PAGE_THUMBNAILS.default
    media_dir: Path | None = MEDIA_DIR.default
    metrics_host: str = METRICS_HOST.default
    metrics_port: int | None = METRICS_PORT.default
    log_format: LogFormat = LOG_FORMAT.default
    log_level: LogLevel = LOG_LEVEL.default
    traces_endpoint: str | None = OTEL_EXPORTER_OTLP_ENDPOINT.default

    def __post_init__(self) -> None:
        HOST.check(self.host)
        PORT.check(self.port)
        METRICS_HOST.check(self.metrics_host)
        METRICS_PORT.check(self.metrics_port)
        if self.metrics_port == self.port:
            raise SettingsError(
                f"METRICS_PORT is {self.port}, which is also PORT. Set it to another port, or unset it."
            )
        LOG_FORMAT.check(self.log_format)
        LOG_LEVEL.check(self.log_level)
        OTEL_EXPORTER_OTLP_ENDPOINT.check(self.traces_endpoint)

    @property
    def exposed(self) -> tuple[str, ...]:
        """The settings, as NAME=value, that let other machines reach the service or its metrics."""
        hosts = [("HOST", self.host)]
        if self.metrics_port is not None:
            hosts.append(("METRICS_HOST", self.metrics_host))
        return tuple(f"{name}={host}" for name, host in hosts if not is_loopback(host))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ApiSettings":
        """Read SETTINGS. Raises SettingsError."""
        return cls(
            search=SearchSettings.from_environment(environment),
            host=HOST.read(environment),
            port=PORT.read(environment),
            access=AccessSettings.from_environment(environment),
            max_searches=MAX_SEARCHES.read(environment),
            drain_seconds=DRAIN_SECONDS.read(environment),
            expected=Expectations(
                least_coverage=HEALTH_LEAST_COVERAGE.read(environment),
                most_days=HEALTH_MOST_DAYS.read(environment),
            ),
            page_thumbnails=PAGE_THUMBNAILS.read(environment),
            media_dir=MEDIA_DIR.read(environment),
            metrics_host=METRICS_HOST.read(environment),
            metrics_port=METRICS_PORT.read(environment),
            log_format=LOG_FORMAT.read(environment),
            log_level=LOG_LEVEL.read(environment),
            traces_endpoint=OTEL_EXPORTER_OTLP_ENDPOINT.read(environment),
        )
