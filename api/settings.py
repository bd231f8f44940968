"""What the service is told by its environment, checked once and passed down."""

from collections.abc import Mapping
from typing import cast, get_args
from urllib.parse import urlsplit

import msgspec

from api.access.settings import AccessSettings, is_loopback
from api.observability.health import Expectations
from api.observability.logs import LogFormat, LogLevel
from retrieval.settings import LARGEST_PORT, SearchSettings, SettingsError, usable_cores, whole_number

SEARCHES_A_CORE = 2
"""With more under way than that a search waits for others most of its time."""


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service listens, for whom, what it searches, how much at a time, and what it tells.

    `drain_seconds`: for how long a service that was told to stop says so before it takes no more requests.
    `page_thumbnails`: whether the search page shows pictures from the addresses that the catalogue names.
    `metrics_port` None: `/metrics` is on the service's own port. `traces_endpoint` None: no traces. Raises
    SettingsError when built of what cannot be.
    """

    search: SearchSettings
    host: str = "127.0.0.1"
    port: int = 8080
    access: AccessSettings = AccessSettings()
    max_searches: int = msgspec.field(default_factory=lambda: SEARCHES_A_CORE * usable_cores())
    drain_seconds: int = 1
    expected: Expectations = Expectations()
    page_thumbnails: bool = True
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    traces_endpoint: str | None = None

    def __post_init__(self) -> None:
        _check_host("HOST", self.host)
        _check_port("PORT", self.port)
        _check_host("METRICS_HOST", self.metrics_host)
        if self.metrics_port is not None:
            _check_port("METRICS_PORT", self.metrics_port)
            if self.metrics_port == self.port:
                raise SettingsError(f"METRICS_PORT is {self.port}, as is PORT. Set another, or none.")
        _check_choice("LOG_FORMAT", self.log_format, get_args(LogFormat))
        _check_choice("LOG_LEVEL", self.log_level, get_args(LogLevel))
        if self.traces_endpoint is not None:
            _check_endpoint(self.traces_endpoint)

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it, the metrics' own port as well."""
        return is_loopback(self.host) and (self.metrics_port is None or is_loopback(self.metrics_host))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ApiSettings":
        """Read what `python -m api --help` lists, and what SearchSettings reads.

        Raises SettingsError.
        """

        def word(name: str, default: str) -> str:
            return environment.get(name, "").strip().lower() or default

        return cls(
            search=SearchSettings.from_environment(environment),
            host=environment.get("HOST") or "127.0.0.1",
            port=whole_number(environment, "PORT", 8080, least=1),
            access=AccessSettings.from_environment(environment),
            max_searches=whole_number(environment, "MAX_SEARCHES", SEARCHES_A_CORE * usable_cores(), least=1),
            drain_seconds=whole_number(environment, "DRAIN_SECONDS", 1, least=0),
            expected=Expectations(
                least_coverage=_share(environment, "HEALTH_LEAST_COVERAGE"),
                most_days=whole_number(environment, "HEALTH_MOST_DAYS", 0, least=0),
            ),
            page_thumbnails=_is_on("PAGE_THUMBNAILS", word("PAGE_THUMBNAILS", "on")),
            metrics_host=environment.get("METRICS_HOST") or "127.0.0.1",
            metrics_port=whole_number(environment, "METRICS_PORT", 0, least=1) or None,
            # Any word passes here; the check when it is built says which ones can be.
            log_format=cast("LogFormat", word("LOG_FORMAT", "auto")),
            log_level=cast("LogLevel", word("LOG_LEVEL", "info")),
            traces_endpoint=environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or None,
        )


def _share(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name, "").strip() or "0"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{name} is {text!r}, and must be a share from 0 to 1.")
    return share


def _is_on(name: str, given: str) -> bool:
    _check_choice(name, given, ("on", "off"))
    return given == "on"


def _check_host(name: str, host: str) -> None:
    if not host.strip():
        raise SettingsError(f"{name} is blank, and must be an address to listen on, like 127.0.0.1.")


def _check_port(name: str, port: int) -> None:
    if not 1 <= port <= LARGEST_PORT:
        raise SettingsError(f"{name} is {port}, and must be from 1 to {LARGEST_PORT}.")


def _check_choice(name: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise SettingsError(f"{name} is {given!r}, and must be one of {', '.join(choices)}.")


def _check_endpoint(address: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT must be the address of a collector that speaks OTLP over HTTP, like "
            "http://localhost:4318."
        )
