"""Docker Compose, the Makefile, docs/settings.md and .env.example agree with the declared settings."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import api.settings
import ingest.settings
from deploy.settings_files import (
    COMPOSE_DEFAULTS,
    COMPOSE_SETTINGS,
    CONTAINER_SETS,
    EXAMPLE,
    PAGE,
    SECTIONS,
    env_example,
    settings_page,
)
from retrieval.declared_setting import Setting

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
DECLARED: dict[str, Setting[Any]] = {
    setting.name: setting for settings in SECTIONS.values() for setting in settings
}


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def test_every_setting_is_in_one_section() -> None:
    settings = [*api.settings.SETTINGS, *ingest.settings.SETTINGS]
    assert {setting.name: setting for setting in settings} == DECLARED
    assert len(DECLARED) == sum(map(len, SECTIONS.values()))
    assert CONTAINER_SETS | COMPOSE_DEFAULTS.keys() <= DECLARED.keys()


@pytest.mark.parametrize(
    ("path", "text"), [(PAGE, settings_page()), (EXAMPLE, env_example())], ids=["page", "example"]
)
def test_the_generated_files_are_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "Run `make settings`."


@pytest.mark.parametrize("service", ["api", "ingest"])
def test_compose_passes_every_setting_to_the_service_that_uses_it(service: str) -> None:
    expected = {
        name: f"${{{name}:-{COMPOSE_DEFAULTS.get(name, '')}}}"
        for name, setting in DECLARED.items()
        if setting.used_by in (service, "both") and name not in CONTAINER_SETS
    }
    # An empty QDRANT_URL in .env selects the embedded engine instead of Compose's default.
    expected["QDRANT_URL"] = expected["QDRANT_URL"].replace(":-", "-", 1)
    passed = services()[service]["environment"]
    assert {name: value for name, value in passed.items() if name not in CONTAINER_SETS} == expected


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE.read_text(encoding="utf-8")))
    assert used == {
        *(DECLARED.keys() - CONTAINER_SETS),
        *({setting.name for setting in COMPOSE_SETTINGS} - {"COMPOSE_PROFILES"}),
    }


def test_the_defaults_of_compose_are_those_in_the_example() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for setting in COMPOSE_SETTINGS:
        defaults = set(re.findall(rf"\$\{{{setting.name}:-([^}}]*)\}}", text))
        assert defaults == ({setting.default} if setting.name != "COMPOSE_PROFILES" else set()), setting.name


def make_ingest(source: str) -> subprocess.CompletedProcess[str]:
    """Run `make ingest` with a Compose that prints its arguments."""
    return subprocess.run(
        ["make", "--no-print-directory", "ingest", f"SOURCE={source}", "ARGS=--prune", "COMPOSE=echo"],  # noqa: S607
        cwd=ROOT,
        check=False,
        text=True,
        capture_output=True,
    )


@pytest.mark.parametrize("source", ["youtube:@x", "https://www.youtube.com/@x"])
def test_make_ingest_passes_a_youtube_channel_as_it_is(source: str) -> None:
    lines = make_ingest(source).stdout.splitlines()
    assert lines == [
        "--profile ingest build --quiet ingest",
        f"run --rm ingest sync --prune {source}",
    ]


def test_make_ingest_mounts_a_file(tmp_path: Path) -> None:
    path = tmp_path.resolve() / "my talks.csv"
    path.touch()
    assert make_ingest(str(path)).stdout.splitlines()[1] == (
        f"run --rm --volume {path}:/source/my talks.csv:ro ingest sync --prune /source/my talks.csv"
    )


def test_make_ingest_refuses_a_path_that_does_not_exist(tmp_path: Path) -> None:
    finished = make_ingest(str(tmp_path / "nope.csv"))
    assert finished.returncode != 0
    assert "nope.csv does not exist" in finished.stderr
    assert finished.stdout == ""


def test_the_image_of_ingest_contains_the_packages_for_youtube() -> None:
    lock = (ROOT / "requirements/ingest.lock").read_text(encoding="utf-8")
    assert {"httpx", "youtube-transcript-api"} <= set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
