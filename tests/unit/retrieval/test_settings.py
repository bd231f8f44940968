from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.declared_setting import Setting, SettingsError, describe_settings, whole_number
from retrieval.errors import VidsearchError
from retrieval.settings import INDEX_SETTINGS, QDRANT_SETTINGS, QdrantSettings, SearchSettings


def test_every_variable_is_read() -> None:
    settings = SearchSettings.from_environment(
        {"INDEX_DIR": "/a", "MODEL_DIR": "b/c", "SEARCH_CACHE": "0", "ENCODER_THREADS": " 3 ", "OTHER": "x"}
    )
    expected = SearchSettings(
        index_dir=Path("/a"), model_dir=Path("b/c"), cached_results=0, encoder_threads=3
    )
    assert settings == expected


@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_value_means_the_default(blank: str) -> None:
    environment = dict.fromkeys((setting.name for setting in (*INDEX_SETTINGS, *QDRANT_SETTINGS)), blank)
    assert SearchSettings.from_environment(environment) == SearchSettings.from_environment({})


def test_help_lists_each_setting_of_a_command_with_its_default() -> None:
    text = describe_settings(QDRANT_SETTINGS, "api")
    assert "  QDRANT_GRPC_PORT " in text
    assert "(default: 6334)" in text
    assert "QDRANT_SHARDS" not in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEARCH_CACHE", "-1"),
        ("SEARCH_CACHE", "many"),
        ("SEARCH_CACHE", "1.5"),
        ("SEARCH_CACHE", "1e3"),
        ("SEARCH_CACHE", "1_000"),
        ("SEARCH_CACHE", "٣"),
        ("SEARCH_CACHE", "²"),
        ("ENCODER_THREADS", "0"),
        ("ENCODER_THREADS", "+1"),
    ],
)
def test_an_error_names_the_setting_and_the_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        SearchSettings.from_environment({name: value})
    assert value in str(refused.value)
    assert isinstance(refused.value, VidsearchError)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_whole_number_must_be_large_enough(value: int, least: int) -> None:
    setting = Setting("N", whole_number(least), -7, "")
    if value >= least:
        assert setting.read({"N": str(value)}) == value
    else:
        with pytest.raises(
            SettingsError, match=f"N is {value}. Set it to a whole number of at least {least}"
        ):
            setting.read({"N": str(value)})


@given(st.text(max_size=8))
def test_any_text_is_a_number_or_an_error(text: str) -> None:
    try:
        number = Setting("N", whole_number(0), 5, "").read({"N": text})
    except SettingsError:
        assert not text.strip().isdecimal() or not text.isascii()
    else:
        assert number == (int(text.strip()) if text.strip() else 5)


SERVER = {"QDRANT_URL": "http://qdrant:6333"}


def test_without_a_url_no_server_is_used() -> None:
    assert SearchSettings.from_environment({"QDRANT_API_KEY": "k", "QDRANT_SHARDS": "x"}).qdrant is None


def test_the_settings_of_the_server_are_read() -> None:
    assert QdrantSettings.from_environment(SERVER) == QdrantSettings(url="http://qdrant:6333")
    assert SearchSettings.from_environment(
        {
            "QDRANT_URL": " https://qdrant.example.org ",
            "QDRANT_API_KEY": "secret",
            "QDRANT_GRPC_PORT": "7334",
            "QDRANT_COLLECTION": "talks-2024_x",
            "QDRANT_SHARDS": "6",
            "QDRANT_REPLICAS": "3",
            "QDRANT_WRITE_CONSISTENCY": "2",
        }
    ).qdrant == QdrantSettings(
        url="https://qdrant.example.org",
        api_key="secret",
        grpc_port=7334,
        collection="talks-2024_x",
        shards=6,
        replicas=3,
        write_consistency=2,
    )


def test_the_representation_hides_the_key() -> None:
    settings = SearchSettings.from_environment({**SERVER, "QDRANT_API_KEY": "secret"})
    assert "secret" not in repr(settings)
    assert "http://qdrant:6333" in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QDRANT_URL", "qdrant:6333"),
        ("QDRANT_URL", "localhost"),
        ("QDRANT_URL", "ftp://qdrant"),
        ("QDRANT_URL", "http://"),
        ("QDRANT_URL", "http://qdrant:port"),
        ("QDRANT_URL", "http://qdrant:99999"),
        ("QDRANT_URL", "http://[::1"),
        ("QDRANT_URL", "http://me:hunter2@qdrant"),
        ("QDRANT_URL", "http://me:hunter2@qdrant:port"),
        ("QDRANT_COLLECTION", "talks/2024"),
        ("QDRANT_COLLECTION", "x" * 101),
        ("QDRANT_GRPC_PORT", "0"),
        ("QDRANT_GRPC_PORT", "65536"),
        ("QDRANT_SHARDS", "0"),
        ("QDRANT_REPLICAS", "none"),
        ("QDRANT_WRITE_CONSISTENCY", "2"),
    ],
)
def test_an_error_names_the_setting_of_the_server_and_hides_a_password(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        SearchSettings.from_environment({**SERVER, name: value})
    assert "hunter2" not in str(refused.value)


def test_a_line_break_at_the_end_of_a_key_is_ignored() -> None:
    settings = SearchSettings.from_environment({**SERVER, "QDRANT_API_KEY": "secret\n"}).qdrant
    assert settings is not None
    assert settings.api_key == "secret"
    with pytest.raises(SettingsError, match="QDRANT_API_KEY") as refused:
        SearchSettings.from_environment({**SERVER, "QDRANT_API_KEY": "sec\nret"})
    assert "sec" not in str(refused.value)
