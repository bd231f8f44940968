"""Addresses that this service listens on."""

from retrieval.errors import VidsearchError


class CannotListenError(VidsearchError):
    """The address is taken, or is none of this machine's."""


def address_of(host: str, port: int) -> str:
    """Write a host and a port as an address that can be opened."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
