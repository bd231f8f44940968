"""Tickets: permissions to load one file for some hours, contained in the URL of the file.

A browser's player sends no headers, so it cannot send a key, and a URL never contains a key. See
docs/decisions/0013-media-tickets.md.
"""

import hashlib
import hmac
import re

from api.access.keys import Keyring, StoredKey

HOUR = 3600

LIFETIME_HOURS = 12
"""The shortest time that a ticket is valid. It expires on the hour, so that repeated searches return the same
URL, which the browser's cache recognises."""

_TICKET = re.compile(rb"(?P<key_id>[0-9a-f]{12})\.(?P<hour>[0-9a-f]{1,8})\.(?P<code>[0-9a-f]{32})")


def make_ticket(key: StoredKey, path: str, now: float) -> str:
    """Make the ticket with which the holder of a key loads a path. `now`: seconds since 1970."""
    hour = int(now) // HOUR + LIFETIME_HOURS + 1
    return f"{key.key_id}.{hour:x}.{_code(key, path, hour)}"


def find_by_ticket(keys: Keyring, ticket: bytes, path: str, now: float) -> StoredKey | None:
    """Look up the key that a ticket for a path was made with. None unless it is in force and still valid."""
    form = _TICKET.fullmatch(ticket)
    key = keys.with_id(form["key_id"]) if form else None
    if form is None or key is None:
        return None
    hour = int(form["hour"], 16)
    is_same = hmac.compare_digest(_code(key, path, hour).encode(), form["code"])
    return key if is_same and now < hour * HOUR else None


def _code(key: StoredKey, path: str, hour: int) -> str:
    # The stored hash, because it is all that the service has of a key, and a revoked key has none.
    text = f"{hour:x}\0{path}".encode()
    return hashlib.blake2b(text, key=key.hash, digest_size=16, person=b"vidsearch-ticket").hexdigest()
