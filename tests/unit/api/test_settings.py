import tomllib
from pathlib import Path

import pytest

import api
import retrieval
from api.settings import SETTINGS, ApiSettings
from retrieval.declared_setting import SettingsError
from retrieval.settings import SearchSettings
from tests.support.environments import RecordingEnvironment


def test_reads_every_variable() -> None:
    settings = ApiSettings.from_environment(
        {"HOST": "0.0.0.0", "PORT": "80", "SEARCH_CACHE": "0", "INDEX_DIR": "/i", "MODEL_DIR": "/m"}  # noqa: S104
    )
    assert (settings.host, settings.port) == ("0.0.0.0", 80)  # noqa: S104
    assert settings.search.cached_results == 0
    assert (settings.search.index_dir, settings.search.model_dir) == (Path("/i"), Path("/m"))


def test_reads_the_settings_of_metrics_logs_and_traces() -> None:
    settings = ApiSettings.from_environment(
        {
            "METRICS_PORT": "9464",
            "METRICS_HOST": "::1",
            "LOG_FORMAT": "JSON",
            "LOG_LEVEL": " Debug ",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
        }
    )
    assert (settings.metrics_port, settings.metrics_host) == (9464, "::1")
    assert (settings.log_format, settings.log_level) == ("json", "debug")
    assert settings.traces_endpoint == "http://collector:4318/"


def test_thumbnails_are_those_of_the_catalogue_unless_set() -> None:
    given = {value: ApiSettings.from_environment({"PAGE_THUMBNAILS": value}) for value in ("", "on", " OFF ")}
    assert {value: settings.page_thumbnails for value, settings in given.items()} == {
        "": "catalogue",
        "on": "on",
        " OFF ": "off",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAGE_THUMBNAILS", "no"),
        ("METRICS_PORT", "0"),
        ("METRICS_PORT", "65536"),
        ("METRICS_PORT", "8080"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "8080.0"),
        ("HEALTH_LEAST_COVERAGE", "2"),
        ("SEARCH_CACHE", "-1"),
        ("SEARCH_CACHE", "many"),
    ],
)
def test_an_error_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ApiSettings.from_environment({name: value})


def test_an_unusable_value_cannot_be_constructed() -> None:
    with pytest.raises(SettingsError, match="PORT"):
        ApiSettings(search=SearchSettings(), port=0)
    with pytest.raises(SettingsError, match="HOST"):
        ApiSettings(search=SearchSettings(), host="  ")


def test_an_empty_value_means_the_default() -> None:
    empty = dict.fromkeys((setting.name for setting in SETTINGS), "")
    assert ApiSettings.from_environment(empty) == ApiSettings.from_environment({})


def test_the_declared_settings_are_the_ones_that_are_read() -> None:
    environment = RecordingEnvironment(QDRANT_URL="http://qdrant:6333")
    ApiSettings.from_environment(environment)
    assert environment.names == {setting.name for setting in SETTINGS}


def test_the_project_takes_its_version_from_the_package() -> None:
    pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dynamic"] == ["version"]
    assert pyproject["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "retrieval.__version__"}
    assert api.__version__ == retrieval.__version__
