import tomllib
from pathlib import Path

import pytest

from api import __version__
from api.settings import ApiSettings
from retrieval.settings import SearchSettings, SettingsError


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = ApiSettings.from_environment({})
    assert (settings.host, settings.port, settings.search.cached_results) == ("127.0.0.1", 8080, 1024)


def test_reads_every_variable() -> None:
    settings = ApiSettings.from_environment(
        {"HOST": "0.0.0.0", "PORT": "80", "SEARCH_CACHE": "0", "INDEX_DIR": "/i", "MODEL_DIR": "/m"}  # noqa: S104
    )
    assert (settings.host, settings.port) == ("0.0.0.0", 80)  # noqa: S104
    assert settings.search.cached_results == 0
    assert (settings.search.index_dir, settings.search.model_dir) == (Path("/i"), Path("/m"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "8080.0"),
        ("HOST", "  "),
        ("SEARCH_CACHE", "-1"),
        ("SEARCH_CACHE", "many"),
    ],
)
def test_names_the_variable_it_refuses(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ApiSettings.from_environment({name: value})


def test_cannot_be_built_wrong() -> None:
    with pytest.raises(SettingsError, match="PORT"):
        ApiSettings(search=SearchSettings(), port=0)


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
