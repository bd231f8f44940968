from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api import app
from api.access.keys import make_key
from api.access.rate_limits import RateLimits, caller_at
from api.access.rates import Rate
from tests.support.clock import Clock
from tests.unit.api.guarded import guarded

NAMES = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after")
SEARCH = "/search?query=x"
KEYS = [make_key(name, ["search"], datetime.now(UTC)) for name in ("one", "other")]


@contextmanager
def limited(monkeypatch: pytest.MonkeyPatch, clock: Clock, **access: Any) -> Iterator[TestClient[Litestar]]:
    monkeypatch.setattr(app, "RateLimits", partial(RateLimits, clock=clock))
    with guarded(**access) as client:
        yield client


@pytest.fixture
def by_address(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[TestClient[Litestar]]:
    with limited(monkeypatch, clock, rate_of_address=Rate(3, 60)) as client:
        yield client


def told(client: TestClient[Litestar], path: str = SEARCH, **headers: str) -> tuple[str | None, ...]:
    response = client.get(path, headers=headers)
    return (str(response.status_code), *(response.headers.get(name) for name in NAMES))


def batch(client: TestClient[Litestar], size: int) -> tuple[int, str | None, str | None]:
    response = client.post("/v1/search/batch", json={"requests": [{"query": "x"}] * size})
    return response.status_code, response.headers["ratelimit-remaining"], response.headers.get("retry-after")


def test_every_response_reports_the_limit(by_address: TestClient[Litestar], clock: Clock) -> None:
    assert told(by_address) == ("200", "3", "2", "20", None)
    # A request is counted before its parameters are checked.
    assert told(by_address, "/v1/search?limit=0") == ("400", "3", "1", "40", None)
    assert told(by_address, "/info") == ("200", "3", "0", "60", None)
    assert told(by_address) == ("429", "3", "0", "60", "20")
    clock.now += 19
    assert told(by_address) == ("429", "3", "0", "41", "1")
    clock.now += 1
    assert told(by_address) == ("200", "3", "0", "60", None)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/schema", "/schema/openapi.json", "/nope"])
def test_health_and_pages_are_not_counted(by_address: TestClient[Litestar], path: str) -> None:
    for _ in range(10):
        assert told(by_address, path)[1:] == (None,) * 4
    assert told(by_address)[2] == "2"


def test_a_batch_costs_as_much_as_its_searches(by_address: TestClient[Litestar], clock: Clock) -> None:
    assert batch(by_address, 2) == (200, "1", None)
    assert batch(by_address, 2) == (429, "1", "20")
    assert batch(by_address, 1) == (200, "0", None)
    # A batch larger than the limit waits for a full bucket, and leaves a debt.
    clock.now += 60
    assert batch(by_address, 6) == (200, "0", None)
    assert told(by_address) == ("429", "3", "0", "120", "80")


def test_each_key_has_its_own_limit(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    (one, _), (other, _) = KEYS
    stored = tuple(kept for _, kept in KEYS)
    with limited(
        monkeypatch, clock, keys=stored, rate_of_key=Rate(2, 60), rate_of_address=Rate(4, 4)
    ) as client:
        assert told(client, authorization=f"Bearer {one}")[:3] == ("200", "2", "1")
        assert told(client, authorization=f"Bearer {one}")[:3] == ("200", "2", "0")
        assert told(client, authorization=f"Bearer {one}") == ("429", "2", "0", "60", "30")
        # The address is the tighter one now: all three came from it.
        assert told(client, authorization=f"Bearer {other}")[:3] == ("200", "4", "0")
        assert told(client, authorization=f"Bearer {other}") == ("429", "4", "0", "4", "1")
        clock.now += 2
        # Requests with wrong keys count against the address, and are refused before the key is checked.
        assert [told(client, authorization="Bearer wrong")[0] for _ in range(3)] == ["401", "401", "429"]


def test_a_batch_is_counted_for_the_key_and_for_the_address(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    (key, kept), _ = KEYS
    with limited(
        monkeypatch, clock, keys=(kept,), rate_of_key=Rate(10, 60), rate_of_address=Rate(6, 60)
    ) as client:
        client.headers["authorization"] = f"Bearer {key}"
        assert batch(client, 4) == (200, "2", None)
        assert batch(client, 4) == (429, "2", "20")
        assert batch(client, 2) == (200, "0", None)


def test_without_limits_there_are_no_headers(client: TestClient[Litestar]) -> None:
    assert told(client)[1:] == (None,) * 4


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::/64"),
        ("2001:db8:1:2::1%eth0", "20010db800010002::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "0::/64"),
        ("unknown", "unknown"),
        ("un:known", "un:known"),
        ("x" * 1000, "x" * 64),
        ("", ""),
    ],
)
def test_a_caller_is_an_ipv4_address_or_an_ipv6_network(address: str, caller: str) -> None:
    named: Any = {"client": (address, 1)}
    assert caller_at(named).removeprefix("0") == caller.removeprefix("0")


def test_a_caller_without_an_address_has_one_name() -> None:
    nobody: Any = {"client": None}
    assert caller_at(nobody) == ""
