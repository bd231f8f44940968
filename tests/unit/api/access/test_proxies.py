import asyncio
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from api.access.proxies import trust_proxies

PROXIES = ("10.0.0.0/8", "192.0.2.1", "fd00::/64")
PEER = "10.0.0.7"


def seen(*forwarded: str, peer: str | None = PEER, proto: str = "", proxies: Any = PROXIES) -> Any:
    scopes: list[Any] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        scopes.append(scope)

    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    headers.append((b"x-forwarded-proto", proto.encode()))
    scope = {"type": "http", "scheme": "http", "headers": headers, "client": peer and (peer, 1234)}
    asyncio.run(trust_proxies(app, proxies)(scope, None, None))  # type: ignore[arg-type]
    return scopes[0]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["198.51.100.9, 198.51.100.1, 10.0.0.8"], "198.51.100.1"),
        (["198.51.100.9", "198.51.100.1 , 192.0.2.1"], "198.51.100.1"),
        (["198.51.100.1:4711, [fd00::1]:80"], "198.51.100.1"),
        (["[2001:db8::1]:80"], "2001:db8::1"),
        (["2001:db8::1, fd00::1, ::ffff:10.0.0.8"], "2001:db8::1"),
        (["198.51.100.1, unknown"], "unknown"),
        (["198.51.100.1, " + "1" * 100], "1" * 100),
        # Every address is a proxy's, so the client's address is unknown.
        (["10.9.9.9"], PEER),
        (["10.9.9.9, 10.1.2.3"], PEER),
        (["10.9.9.9", "10.1.2.3"], PEER),
        ([""], PEER),
        ([], PEER),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(forwarded: list[str], client: str) -> None:
    assert seen(*forwarded)["client"][0] == client


@pytest.mark.parametrize("peer", ["198.51.100.7", "::1", "testclient", None])
def test_an_untrusted_peer_cannot_set_the_client(peer: str | None) -> None:
    scope = seen("198.51.100.1", peer=peer, proto="https")
    assert (scope["client"], scope["scheme"]) == (peer and (peer, 1234), "http")


def test_without_proxies_the_header_is_ignored() -> None:
    assert seen("198.51.100.1", proxies=())["client"] == (PEER, 1234)


@pytest.mark.parametrize(("proto", "scheme"), [("https", "https"), ("http", "http"), ("ftp", "http")])
def test_a_proxy_sets_the_scheme(proto: str, scheme: str) -> None:
    assert seen(proto=proto)["scheme"] == scheme
