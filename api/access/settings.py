"""Who may ask, from where and how often: what the environment says of it, checked once."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from api.access.keys import Keyring, StoredKey, from_variable
from api.access.rates import SECONDS_OF, Rate
from retrieval.settings import DATA_DIR, SettingsError

KEYS_FILE = DATA_DIR / "keys.json"
ANY_ORIGIN = "*"

_RATE = re.compile(r"(?P<limit>[1-9][0-9]{0,8})\s*/\s*(?P<period>second|minute|hour|day)")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask, from where and how often. Raises SettingsError when built of what cannot be.

    `open` says that anybody may search though the address is not a loopback one. Nothing named means: no
    key but `keys`, any host, no other site's pages, no limit, and no proxy believed.
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
            _check_origin(origin)
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                raise SettingsError(
                    f"ALLOWED_HOSTS holds {host!r}, and must be names like api.example.com or *.example.com, "
                    "without a port."
                )
        for proxy in self.trusted_proxies:
            _check_proxy(proxy)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "AccessSettings":
        """Read KEYS_FILE, API_KEYS, RATE_LIMIT_*, CORS_ORIGINS, ALLOWED_HOSTS and TRUSTED_PROXIES.

        Raises SettingsError.
        """
        return cls(
            keys_file=Path(environment.get("KEYS_FILE") or KEYS_FILE),
            keys=from_variable(environment.get("API_KEYS", "")),
            rate_of_key=_rate(environment, "RATE_LIMIT_KEY"),
            rate_of_address=_rate(environment, "RATE_LIMIT_ADDRESS"),
            cors_origins=_listed(environment, "CORS_ORIGINS"),
            allowed_hosts=_listed(environment, "ALLOWED_HOSTS"),
            trusted_proxies=_listed(environment, "TRUSTED_PROXIES"),
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(environment.get(name, "").replace(",", " ").split())


def _rate(environment: Mapping[str, str], name: str) -> Rate | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"{name} is {text!r}, and must be like 600/minute; the period is one of {', '.join(SECONDS_OF)}."
        )
    return Rate(int(match["limit"]), SECONDS_OF[match["period"]])


def _check_origin(origin: str) -> None:
    if origin == ANY_ORIGIN:
        return
    try:
        parts = urlsplit(origin)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    # A browser sends the scheme, the host in small letters and a port that is not the scheme's own.
    if not usable or "*" in origin or origin != f"{parts.scheme}://{parts.netloc.lower()}" or "@" in origin:
        raise SettingsError(
            f"CORS_ORIGINS holds {origin!r}, and must be origins like https://app.example.com, in small "
            "letters and without a path, or * for every site."
        )


def _check_proxy(proxy: str) -> None:
    try:
        network = ipaddress.ip_network(proxy)
    except ValueError as error:
        raise SettingsError(
            f"TRUSTED_PROXIES holds {proxy!r}, and must be addresses or networks, like 10.0.0.7, 10.0.1.0/28."
        ) from error
    if network.prefixlen == 0:
        # Then the first address of X-Forwarded-For would be believed, which is the client's own word.
        raise SettingsError(
            "TRUSTED_PROXIES holds every address, and then anybody could claim to be anybody."
        )
