from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.access.keys import make_key, to_variable
from api.access.rates import Rate
from api.access.settings import AccessSettings, is_loopback
from retrieval.declared_setting import SettingsError


def test_by_default_there_are_no_limits_and_no_proxy_is_trusted() -> None:
    settings = AccessSettings.from_environment({})
    assert settings == AccessSettings(keys_file=Path(".data/keys.json"))
    assert not settings.open
    assert (settings.rate_of_key, settings.rate_of_address) == (None, None)
    assert settings.keys == settings.cors_origins == settings.allowed_hosts == settings.trusted_proxies == ()


def test_reads_every_variable() -> None:
    _, key = make_key("web", ["search"], datetime.now(UTC))
    settings = AccessSettings.from_environment(
        {
            "KEYS_FILE": "/k",
            "API_KEYS": to_variable(key),
            "RATE_LIMIT_KEY": "600/minute",
            "RATE_LIMIT_ADDRESS": " 5 / second ",
            "CORS_ORIGINS": "https://a.example, http://localhost:3000",
            "ALLOWED_HOSTS": "api.example.com,*.example.org [::1] 10.0.0.1",
            "TRUSTED_PROXIES": "10.0.0.7,fd00::/8",
        }
    )
    assert settings.keys_file == Path("/k")
    assert [each.name for each in settings.keys] == ["web"]
    assert (settings.rate_of_key, settings.rate_of_address) == (Rate(600, 60), Rate(5, 1))
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.allowed_hosts == ("api.example.com", "*.example.org", "[::1]", "10.0.0.1")
    assert settings.trusted_proxies == ("10.0.0.7", "fd00::/8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("RATE_LIMIT_KEY", value) for value in ("600", "0/minute", "-1/minute", "6/year", "6.5/day", "x")),
        ("RATE_LIMIT_ADDRESS", "9999999999/second"),
        *(
            ("CORS_ORIGINS", value)
            for value in (
                *("example.com", "https://", "https://a.example/", "https://a.example/x"),
                "https://*.example",
                *("HTTPS://a.example", "https://A.example", "ftp://a.example", "https://u@a.example"),
                *("https://a.example:0", "https://a.example:x", "https://[::1", "null"),
            )
        ),
        *(("ALLOWED_HOSTS", value) for value in ("a.example:80", "https://a", "*", "a.*.b", "a/b", "*.")),
        *(("TRUSTED_PROXIES", value) for value in ("*", "proxy", "10.0.0.1/8", "0.0.0.0/0", "::/0")),
        ("API_KEYS", "a key"),
    ],
)
def test_an_error_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        AccessSettings.from_environment({name: value})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False)),  # noqa: S104
    ],
)
def test_recognises_loopback_addresses(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
