"""API keys: how a key is made, what is stored of it, and how a key in a request is looked up.

A key is `vs_ID_SECRET`. The id is not secret: it identifies the stored entry, and lists show it. The secret
has 160 random bits, which cannot be guessed, so a salted fast hash is sufficient
(docs/decisions/0009-keys-and-limits.md).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import get_args

import msgspec

from api.wire.route_properties import KeyScope
from retrieval.declared_setting import SettingsError

SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)

_ID_BYTES = 6
_SECRET_BYTES = 20
_SALT_BYTES = 16
_HASH_BYTES = 32
_KEY = re.compile(rb"vs_(?P<key_id>[0-9a-f]{12})_[0-9a-f]{40}")
_KEY_ID = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class StoredKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is stored of a key: enough to recognise it, but not enough to use it.

    The scope `admin` includes every scope. Raises SettingsError if a field is invalid.
    """

    name: str
    scopes: tuple[KeyScope, ...]
    key_id: str
    salt: bytes
    hash: bytes
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.scopes:
            raise SettingsError(f"The key {self.name} has no scope. The scopes are {', '.join(SCOPES)}.")
        if not (
            _KEY_ID.fullmatch(self.key_id) and len(self.salt) == _SALT_BYTES and len(self.hash) == _HASH_BYTES
        ):
            raise SettingsError(f"The key {self.name} is damaged. Revoke it and add another.")

    def __repr__(self) -> str:
        """Show the name, the scopes and the id, but not the hash."""
        return f"StoredKey({self.name!r}, {'+'.join(self.scopes)}, vs_{self.key_id})"

    def allows(self, key_scope: KeyScope) -> bool:
        """Whether the key has this scope."""
        return key_scope in self.scopes or "admin" in self.scopes


class Keyring:
    """The keys that are in force. Raises SettingsError if two keys share a name or an id."""

    def __init__(self, keys: Iterable[StoredKey] = ()) -> None:
        self._by_id: dict[bytes, StoredKey] = {}
        names: set[str] = set()
        for key in keys:
            if key.name in names:
                raise SettingsError(
                    f"There is already a key named {key.name}. Choose another name, or revoke that key."
                )
            if key.key_id.encode() in self._by_id:
                raise SettingsError(f"The key {key.name} is stored twice, under two names.")
            names.add(key.name)
            self._by_id[key.key_id.encode()] = key
        # A key with an unknown id is compared with this one, so that it takes as long as a wrong secret.
        self._placeholder = StoredKey(
            name="placeholder",
            scopes=("search",),
            key_id="0" * 2 * _ID_BYTES,
            salt=secrets.token_bytes(_SALT_BYTES),
            hash=secrets.token_bytes(_HASH_BYTES),
        )

    def __len__(self) -> int:
        return len(self._by_id)

    def with_id(self, key_id: bytes) -> StoredKey | None:
        """Return the key with this id, which is not secret."""
        return self._by_id.get(key_id)

    def find(self, sent: bytes) -> StoredKey | None:
        """Look up the key of a request. Returns None unless it is one of these keys.

        Every well-formed key costs one hash and one comparison in constant time. Only the form, which is
        public, is checked first.
        """
        form = _KEY.fullmatch(sent)
        if form is None:
            return None
        known = self._by_id.get(form["key_id"])
        key = known or self._placeholder
        is_same = hmac.compare_digest(_hash(sent, key.salt), key.hash)
        return known if is_same else None


def make_key(name: str, scopes: Iterable[KeyScope], created_at: datetime) -> tuple[str, StoredKey]:
    """Make a key. Returns the key for its holder, and the form to store. Raises SettingsError."""
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"vs_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    salt = secrets.token_bytes(_SALT_BYTES)
    stored = StoredKey(
        name=name,
        # In the order of SCOPES, without duplicates.
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
    """Read API_KEYS: entries of `to_variable`, separated by commas or blanks. Raises SettingsError."""
    return tuple(_entry(entry) for entry in text.replace(",", " ").split())


def check_name(name: str) -> None:
    """Raise SettingsError unless this is a valid name of a key."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name[:70]!r} is not a valid name of a key. A name has 1 to 64 letters, digits or . _ @ -, "
            "and begins with a letter or a digit."
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
        # The entry is not shown, because it may be a key itself.
        raise SettingsError(
            "API_KEYS has an entry that is not NAME:SCOPE+SCOPE:ID:SALT:HASH. Make one: "
            "python -m api keys add NAME --scope search --print-env"
        ) from error


def _hash(key: bytes, salt: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_HASH_BYTES, salt=salt, person=b"vidsearch-key").digest()
