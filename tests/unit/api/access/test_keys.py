from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.keys import SCOPES, Keyring, from_variable, make_key, to_variable
from api.wire.route_properties import KeyScope
from retrieval.declared_setting import SettingsError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", fullmatch=True)
SOME_SCOPES = st.lists(st.sampled_from(SCOPES), min_size=1, unique=True)


@given(st.lists(st.tuples(NAMES, SOME_SCOPES), min_size=1, max_size=5, unique_by=lambda each: each[0]))
def test_every_key_is_found_and_no_other(people: list[tuple[str, list[KeyScope]]]) -> None:
    made = [make_key(name, scopes, NOW) for name, scopes in people]
    ring = Keyring(stored for _, stored in made)
    assert len(ring) == len(people)
    for (key, stored), (name, scopes) in zip(made, people, strict=True):
        assert ring.find(key.encode()) == stored
        assert (stored.name, set(stored.scopes)) == (name, set(scopes))
        assert Keyring().find(key.encode()) is None
        for other, _ in made:
            assert other == key or ring.find(key[:16].encode() + other[16:].encode()) is None


@given(at=st.integers(0, 55), byte=st.binary(min_size=1, max_size=1))
def test_a_key_with_a_changed_character_is_not_found(at: int, byte: bytes) -> None:
    key, stored = make_key("web", ["search"], NOW)
    sent = key.encode()
    changed = sent[:at] + byte + sent[at + 1 :]
    assert (Keyring([stored]).find(changed) is None) == (changed != sent)


@given(st.binary(max_size=80))
def test_text_that_is_no_key_is_not_found(sent: bytes) -> None:
    _, stored = make_key("web", ["search"], NOW)
    assert Keyring([stored]).find(sent) is None


@given(NAMES, SOME_SCOPES)
def test_a_stored_key_does_not_contain_the_secret(name: str, scopes: list[KeyScope]) -> None:
    key, stored = make_key(name, scopes, NOW)
    secret = key.rpartition("_")[2]
    kept = msgspec.json.encode(stored).decode() + to_variable(stored) + repr(stored)
    assert secret not in kept
    assert stored.hash.hex() not in repr(stored)
    assert stored.salt.hex() not in repr(stored)


@given(st.lists(st.tuples(NAMES, SOME_SCOPES), max_size=4), st.sampled_from([",", " ", " , ", "\n"]))
def test_the_variable_round_trips_keys(people: list[tuple[str, list[KeyScope]]], between: str) -> None:
    made = [make_key(name, scopes, NOW)[1] for name, scopes in people]
    read = from_variable(between.join(map(to_variable, made)))
    assert read == tuple(msgspec.structs.replace(key, created_at=None) for key in made)


def test_two_keys_of_one_name_and_scopes_have_nothing_in_common() -> None:
    (one, kept_of_one), (other, kept_of_other) = (make_key("web", ["search"], NOW) for _ in range(2))
    assert one != other
    assert kept_of_one.salt != kept_of_other.salt
    assert kept_of_one.hash != kept_of_other.hash


def test_names_and_ids_are_unique() -> None:
    _, one = make_key("web", ["search"], NOW)
    _, other = make_key("web", ["search"], NOW)
    with pytest.raises(SettingsError, match="already a key named"):
        Keyring([one, other])
    with pytest.raises(SettingsError, match="twice"):
        Keyring([one, msgspec.structs.replace(one, name="other")])


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "a,b", "-a", "a" * 65, "a\n", "\u00e9"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        make_key(name, ["search"], NOW)


def test_a_key_without_a_scope_is_refused() -> None:
    with pytest.raises(SettingsError, match="no scope"):
        make_key("web", [], NOW)


def test_a_damaged_key_is_refused() -> None:
    _, stored = make_key("web", ["search"], NOW)
    for damage in ({"salt": b""}, {"hash": b"short"}, {"key_id": "0"}, {"key_id": "G" * 12}):
        with pytest.raises(SettingsError, match="damaged"):
            msgspec.structs.replace(stored, **damage)


def entry(**changed: str) -> str:
    parts = {"name": "web", "scopes": "search", "id": "0" * 12, "salt": "0" * 32, "hash": "0" * 64}
    return ":".join({**parts, **changed}.values())


@pytest.mark.parametrize(
    "text",
    [
        "vs_000000000000_" + "secret" * 6,
        "web:search",
        entry() + ":more",
        entry(scopes="everything"),
        entry(scopes=""),
        entry(salt="zz"),
    ],
)
def test_an_invalid_entry_is_refused_without_being_shown(text: str) -> None:
    assert len(from_variable(entry())) == 1
    with pytest.raises(SettingsError, match="API_KEYS has an entry") as refused:
        from_variable(text)
    assert text not in str(refused.value)
