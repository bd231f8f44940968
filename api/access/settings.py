"""The settings of access: keys, rate limits, origins, host names and proxies, checked once."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from api.access.keys import Keyring, StoredKey, from_variable
from api.access.rates import SECONDS_OF, Rate
from retrieval.declared_setting import FOLDER, Kind, Setting, SettingsError, is_http_url
from retrieval.settings import DATA_DIR

ANY_ORIGIN = "*"

_RATE = re.compile(r"(?P<limit>[1-9][0-9]{0,8})\s*/\s*(?P<period>second|minute|hour|day)")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")


def _parse_rate(text: str) -> Rate:
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return Rate(int(match["limit"]), SECONDS_OF[match["period"]])


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


_RATES: Kind[Rate | None] = Kind(
    f"a rate like 600/minute; the period is one of {', '.join(SECONDS_OF)}", _parse_rate
)
_ORIGINS = Kind(
    "origins in lower case and without a path, like https://app.example.com, or * for every site", _parse_list
)
_HOSTS = Kind("host names like api.example.com or *.example.com, without a port", _parse_list)
_NETWORKS = Kind("addresses or networks, like 10.0.0.7, 10.0.1.0/28", _parse_list)

KEYS_FILE = Setting(
    "KEYS_FILE", FOLDER, DATA_DIR / "keys.json", "File that holds the hashes of API keys.", "api"
)
API_KEYS = Setting(
    "API_KEYS",
    Kind("what `python -m api keys add NAME --scope SCOPE --print-env` prints", from_variable),
    (),
    "More keys, hashed, as `keys add --print-env` prints them.",
    "api",
    "none",
)
RATE_LIMIT_KEY = Setting(
    "RATE_LIMIT_KEY", _RATES, None, "Requests that one key may send, like 600/minute.", "api", "no limit"
)
RATE_LIMIT_ADDRESS = Setting(
    "RATE_LIMIT_ADDRESS",
    _RATES,
    None,
    "Requests that one client address may send, like 60/minute. Behind a proxy, set TRUSTED_PROXIES first.",
    "api",
    "no limit",
)
CORS_ORIGINS = Setting(
    "CORS_ORIGINS",
    _ORIGINS,
    (),
    "Other sites whose pages may call the API, like https://app.example.com, or * for all. Comma-separated.",
    "api",
    "none",
)
ALLOWED_HOSTS = Setting(
    "ALLOWED_HOSTS",
    _HOSTS,
    (),
    "Host names that requests may use, like api.example.com or *.example.com. Comma-separated.",
    "api",
    "any",
)
TRUSTED_PROXIES = Setting(
    "TRUSTED_PROXIES",
    _NETWORKS,
    (),
    "Proxies whose X-Forwarded-For is trusted, like 10.0.0.7, 10.0.1.0/28. A listed host can spoof any "
    "address, so list no network that clients are in.",
    "api",
    "none",
)
ACCESS_SETTINGS: tuple[Setting[Any], ...] = (
    *(KEYS_FILE, API_KEYS, RATE_LIMIT_KEY, RATE_LIMIT_ADDRESS),
    *(CORS_ORIGINS, ALLOWED_HOSTS, TRUSTED_PROXIES),
)


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys, limits, origins, host names and proxies. Raises SettingsError for values that cannot be used.

    `open`: anyone may search without a key, even if the address is not a loopback one. By default there are
    no keys and no limits, every host name is accepted, no other site and no proxy is trusted.
    """

    open: bool = False
    keys_file: Path | None = None
    keys: tuple[StoredKey, ...] = ()
    rate_of_key: Rate | None = None
    rate_of_address: Rate | None = None
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        Keyring(self.keys)
        for origin in self.cors_origins:
            if not _is_origin(origin):
                raise CORS_ORIGINS.refusal(origin, "contains")
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                raise ALLOWED_HOSTS.refusal(host, "contains")
        for proxy in self.trusted_proxies:
            _check_proxy(proxy)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "AccessSettings":
        """Read ACCESS_SETTINGS. Raises SettingsError."""
        return cls(
            keys_file=KEYS_FILE.read(environment),
            keys=API_KEYS.read(environment),
            rate_of_key=RATE_LIMIT_KEY.read(environment),
            rate_of_address=RATE_LIMIT_ADDRESS.read(environment),
            cors_origins=CORS_ORIGINS.read(environment),
            allowed_hosts=ALLOWED_HOSTS.read(environment),
            trusted_proxies=TRUSTED_PROXIES.read(environment),
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server on this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_origin(origin: str) -> bool:
    if origin == ANY_ORIGIN:
        return True
    # A browser sends the scheme, the host in lower case, and the port unless it is the default of the scheme.
    return (
        is_http_url(origin)
        and not {"*", "@"} & {*origin}
        and origin == f"{(parts := urlsplit(origin)).scheme}://{parts.netloc.lower()}"
    )


def _check_proxy(proxy: str) -> None:
    try:
        network = ipaddress.ip_network(proxy)
    except ValueError as error:
        raise TRUSTED_PROXIES.refusal(proxy, "contains") from error
    if network.prefixlen == 0:
        # The first address of X-Forwarded-For would then be trusted, which the client itself can write.
        raise SettingsError(
            f"TRUSTED_PROXIES contains {proxy}, which is every address, so any client could spoof its "
            "address. List only your proxies."
        )
