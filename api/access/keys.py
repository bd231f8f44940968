"""API keys: how they are made, what is kept of them, and how one that is sent is looked up.

A key is `vs_ID_SECRET`. The id is no secret: it finds the entry, and is all of a key that lists show. The
secret has 160 random bits, which nobody guesses, so what is kept is a salted hash and not a slow one
(docs/decisions/0009-keys-and-limits.md).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

import msgspec

from retrieval.settings import SettingsError

Scope = Literal["search", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_ID_BYTES = 6
_SECRET_BYTES = 20
_SALT_BYTES = 16
_HASH_BYTES = 32
_KEY = re.compile(rb"vs_(?P<key_id>[0-9a-f]{12})_[0-9a-f]{40}")
_KEY_ID = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class StoredKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a key: enough to recognise it, and nothing that could be sent in its place.

    `admin` stands for every scope. Raises SettingsError when built of what cannot be.
    """

    name: str
    scopes: tuple[Scope, ...]
    key_id: str
    salt: bytes
    hash: bytes
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.scopes:
            raise SettingsError(f"The key {self.name} has no scope. There are: {', '.join(SCOPES)}.")
        if not (
            _KEY_ID.fullmatch(self.key_id) and len(self.salt) == _SALT_BYTES and len(self.hash) == _HASH_BYTES
        ):
            raise SettingsError(f"The key {self.name} is damaged. Revoke it and add another.")

    def __repr__(self) -> str:
        """Show whose key it is and what it opens, and not its hash."""
        return f"StoredKey({self.name!r}, {'+'.join(self.scopes)}, vs_{self.key_id})"

    def opens(self, scope: str) -> bool:
        """Whether it has this scope."""
        return scope in self.scopes or "admin" in self.scopes


class Keyring:
    """The keys that are in force. Raises SettingsError where two share a name or an id."""

    def __init__(self, keys: Iterable[StoredKey] = ()) -> None:
        self._by_id: dict[bytes, StoredKey] = {}
        names: set[str] = set()
        for key in keys:
            if key.name in names:
                raise SettingsError(
                    f"{key.name} is the name of another key already. Choose another, or revoke that key."
                )
            if key.key_id.encode() in self._by_id:
                raise SettingsError(f"The key {key.name} is there twice, under two names.")
            names.add(key.name)
            self._by_id[key.key_id.encode()] = key
        # What a key of no known id is compared with, so that it takes as long as one whose secret is wrong.
        self._nobody = StoredKey(
            name="nobody",
            scopes=("search",),
            key_id="0" * 2 * _ID_BYTES,
            salt=secrets.token_bytes(_SALT_BYTES),
            hash=secrets.token_bytes(_HASH_BYTES),
        )

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, sent: bytes) -> StoredKey | None:
        """Look up a key as it was sent; None unless it is one of these.

        Whatever the id, one hash is computed and one comparison made, in a time that does not depend on where
        the two differ. Only the form, which is public, is checked before.
        """
        form = _KEY.fullmatch(sent)
        if form is None:
            return None
        known = self._by_id.get(form["key_id"])
        key = known or self._nobody
        same = hmac.compare_digest(_hash(sent, key.salt), key.hash)
        return known if same else None


def make_key(name: str, scopes: Iterable[Scope], created_at: datetime) -> tuple[str, StoredKey]:
    """Make a key: what its holder gets, and what is kept. Raises SettingsError."""
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"vs_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    salt = secrets.token_bytes(_SALT_BYTES)
    stored = StoredKey(
        name=name,
        # In the order of SCOPES, each once.
        scopes=tuple(scope for scope in SCOPES if scope in set(scopes)),
        key_id=key_id,
        salt=salt,
        hash=_hash(key.encode(), salt),
        created_at=created_at,
    )
    return key, stored


def to_variable(key: StoredKey) -> str:
    """Write a stored key as one entry of API_KEYS: NAME:SCOPE+SCOPE:ID:SALT:HASH."""
    return ":".join((key.name, "+".join(key.scopes), key.key_id, key.salt.hex(), key.hash.hex()))


def from_variable(text: str) -> tuple[StoredKey, ...]:
    """Read API_KEYS: entries of `to_variable`, apart by commas or blanks. Raises SettingsError."""
    return tuple(_entry(entry) for entry in text.replace(",", " ").split())


def check_name(name: str) -> None:
    """Raise SettingsError unless this can be the name of a key."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name[:70]!r} cannot be a key's name: 1 to 64 letters, digits and . _ @ -, "
            "the first a letter or digit."
        )


def _entry(text: str) -> StoredKey:
    try:
        name, scopes, key_id, salt, digest = text.split(":")
        fields = {
            "name": name,
            "scopes": scopes.split("+"),
            "key_id": key_id,
            "salt": bytes.fromhex(salt),
            "hash": bytes.fromhex(digest),
        }
        return msgspec.convert(fields, StoredKey)
    except (ValueError, msgspec.ValidationError) as error:
        # What is wrong with it may be that it is a key itself, so it is not shown.
        raise SettingsError(
            "API_KEYS holds an entry that is not NAME:SCOPE+SCOPE:ID:SALT:HASH. Make one: "
            "python -m api keys add NAME --scope search --print-env"
        ) from error


def _hash(key: bytes, salt: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_HASH_BYTES, salt=salt, person=b"vidsearch-key").digest()
