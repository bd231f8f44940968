from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import VidsearchError
from retrieval.settings import SearchSettings, SettingsError, whole_number


def test_an_empty_environment_means_the_data_folder() -> None:
    settings = SearchSettings.from_environment({})
    assert settings.index_dir == Path(".data/index")
    assert settings.model_dir == Path(".data/model")
    assert settings.cached_results > 0
    assert settings.encoder_threads >= 1


def test_every_variable_is_read() -> None:
    settings = SearchSettings.from_environment(
        {"INDEX_DIR": "/a", "MODEL_DIR": "b/c", "SEARCH_CACHE": "0", "ENCODER_THREADS": " 3 ", "OTHER": "x"}
    )
    expected = SearchSettings(
        index_dir=Path("/a"), model_dir=Path("b/c"), cached_results=0, encoder_threads=3
    )
    assert settings == expected


def test_an_empty_variable_means_the_default() -> None:
    empty = dict.fromkeys(["INDEX_DIR", "MODEL_DIR", "SEARCH_CACHE", "ENCODER_THREADS"], "")
    assert SearchSettings.from_environment(empty) == SearchSettings.from_environment({})


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
def test_what_is_no_number_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        SearchSettings.from_environment({name: value})
    assert value in str(refused.value)
    assert isinstance(refused.value, VidsearchError)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_whole_number_is_read_if_it_is_large_enough(value: int, least: int) -> None:
    environment = {"N": str(value)}
    if value >= least:
        assert whole_number(environment, "N", -7, least=least) == value
    else:
        with pytest.raises(SettingsError, match="N is"):
            whole_number(environment, "N", -7, least=least)


@given(st.text(max_size=8))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        number = whole_number({"N": text}, "N", 5, least=0)
    except SettingsError:
        assert not text.strip().isdecimal() or not text.isascii()
    else:
        assert number == (int(text) if text.strip() else 5)
