"""The import rules, and that importing a module has no effect."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY, environment

# Imports every module of the product and lists all changes to the file system.
WATCH = """
import importlib, json, os, pkgutil, sys
changes = []
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or path == os.devnull:
            return
    elif event not in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.truncate"):
        return
    # Python looks for a folder for temporary files by writing one.
    if str(arguments[0]).startswith(os.environ["TMPDIR"]):
        return
    changes.append(f"{event} {arguments}")
sys.addaudithook(watch)
own = []
for package in ("api", "ingest", "retrieval"):
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    own += [package, *(module.name for module in found)]
for module in own:
    if module not in sys.argv[1:]:
        importlib.import_module(module)
json.dump({"modules": own, "changes": changes}, sys.stdout)
"""

LOADED = "import json, sys, {module}; json.dump(sorted(sys.modules), sys.stdout)"


def python(*arguments: str, cwd: Path, **own: str) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(PYTHONPATH=str(REPOSITORY), **own),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_import_contracts_hold() -> None:
    # The program is next to this Python, whether or not that folder is in PATH.
    program = str(Path(sys.executable).with_name("lint-imports"))
    said = python(program, "--no-cache", cwd=REPOSITORY)
    assert "0 broken" in said
    assert "api and ingest never import each other KEPT" in said


def needing_reference() -> list[str]:
    """The modules that need the extra `reference`, as the import contract lists them."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (allowed,) = (
        one["allowed_importers"] for one in contracts if "torch" in one.get("protected_modules", ())
    )
    modules: list[str] = allowed
    return modules


def test_importing_changes_no_file(tmp_path: Path) -> None:
    here, home, temporary = (tmp_path / name for name in ("here", "home", "temporary"))
    for folder in (here, home, temporary):
        folder.mkdir()
    # onnxruntime would write telemetry under HOME on import; the product switches that off.
    own = {"HOME": str(home), "TMPDIR": str(temporary)}
    told = json.loads(python("-c", WATCH, *needing_reference(), cwd=here, **own))
    assert {"api.app", "api.command_line", "ingest.model.export", "retrieval.opening"} <= set(told["modules"])
    assert told["changes"] == []
    assert [*here.iterdir(), *home.iterdir()] == []
    assert [*temporary.rglob("*")] == []


@pytest.mark.parametrize("module", ["api.app", "api.command_line"])
def test_the_api_loads_no_batch_library(module: str, tmp_path: Path) -> None:
    loaded = set(json.loads(python("-c", LOADED.format(module=module), cwd=tmp_path)))
    assert module in loaded
    unwanted = {"torch", "polars", "sentence_transformers", "transformers", "opentelemetry", "ingest"}
    assert loaded.isdisjoint(unwanted)


def test_the_command_line_prints_help_without_heavy_libraries(tmp_path: Path) -> None:
    loaded = set(json.loads(python("-c", LOADED.format(module="ingest.commands.command_line"), cwd=tmp_path)))
    assert "ingest.commands.command_line" in loaded
    assert loaded.isdisjoint({"torch", "sentence_transformers", "onnxruntime", "polars", "litestar"})
