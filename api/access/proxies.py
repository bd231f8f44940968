"""Whom a request comes from where a proxy stands in between: what a named proxy says, and nobody else.

uvicorn's own way believes the first address of all where every one is a proxy's. That one is the client's
word, so whoever is in a network that is named could claim any address in it.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

_LONGEST_ADDRESS = 64
_SCHEMES = {b"http": "http", b"https": "https"}


def believe_proxies(app: ASGIApp, proxies: Iterable[str]) -> ASGIApp:
    """Wrap an app so that a request that one of these (addresses, networks) passes on is the client's.

    Each proxy adds the address that it saw to the end of `X-Forwarded-For`, so the last one that is no
    proxy's is the client's. Where all are, or there is none, it is the connection's own that counts.
    """
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]
    if not networks:
        return app

    @lru_cache(maxsize=4096)
    def is_proxy(address: str) -> bool:
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        seen = getattr(known, "ipv4_mapped", None) or known
        return any(seen in network for network in networks)

    def client_of(forwarded: bytes) -> str | None:
        for entry in reversed(forwarded.decode("latin-1").split(",")):
            address = _without_port(entry.strip())
            # What is longer is no address, and is not to be remembered.
            if len(address) > _LONGEST_ADDRESS or not is_proxy(address):
                return address or None
        return None

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client") if scope["type"] == ScopeType.HTTP else None
        if peer is not None and is_proxy(peer[0]):
            headers = scope["headers"]
            forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
            scope["client"] = (client_of(forwarded) or peer[0], 0)
            proto = next((value.strip() for name, value in headers if name == b"x-forwarded-proto"), b"")
            scope["scheme"] = _SCHEMES.get(proto, scope["scheme"])
        await app(scope, receive, send)

    return route


def _without_port(entry: str) -> str:
    """Take the address out of `192.0.2.1:80` and `[2001:db8::1]:80`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
