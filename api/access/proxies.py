"""The client's address behind proxies: `X-Forwarded-For` counts only if a trusted proxy sent it.

uvicorn's own implementation returns the first address if every address is a trusted proxy's. The first
address is the client's claim, so a host in a trusted network could spoof any address in it.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

_LONGEST_ADDRESS = 64
_SCHEMES = {b"http": "http", b"https": "https"}


def trust_proxies(app: ASGIApp, proxies: Iterable[str]) -> ASGIApp:
    """Wrap an app so that a request from a trusted proxy (an address or a network) has the client's address.

    Each proxy appends the address of its peer to `X-Forwarded-For`, so the last address that is not a proxy's
    is the client's. If there is none, the address of the connection counts.
    """
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]
    if not networks:
        return app

    @lru_cache(maxsize=4096)
    def is_proxy(address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        plain = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(plain in network for network in networks)

    def client_of(forwarded: bytes) -> str | None:
        for entry in reversed(forwarded.decode("latin-1").split(",")):
            address = _without_port(entry.strip())
            # A longer text is not an address, and must not fill the cache.
            if len(address) > _LONGEST_ADDRESS or not is_proxy(address):
                return address or None
        return None

    async def with_client(scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client") if scope["type"] == ScopeType.HTTP else None
        if peer is not None and is_proxy(peer[0]):
            headers = scope["headers"]
            forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
            scope["client"] = (client_of(forwarded) or peer[0], 0)
            proto = next((value.strip() for name, value in headers if name == b"x-forwarded-proto"), b"")
            scope["scheme"] = _SCHEMES.get(proto, scope["scheme"])
        await app(scope, receive, send)

    return with_client


def _without_port(entry: str) -> str:
    """Return the address in `192.0.2.1:80` or `[2001:db8::1]:80`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
