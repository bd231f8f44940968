"""Who imports whom, and that importing does nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY, environment

# Imports every module of the product and tells of every change to the file system meanwhile.
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
    # Whoever asks where temporary files go writes one to see that it can.
    if str(arguments[0]).startswith(os.environ["TMPDIR"]):
        return
    changes.append(f"{event} {arguments}")
sys.addaudithook(watch)
own = []
for package in ("api", "ingest", "retrieval"):
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    own += [package, *(module.name for module in found)]
for module in own:
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


def test_the_rooms_keep_to_their_directions() -> None:
    # It stands beside this Python, whether or not that folder is on the path.
    program = str(Path(sys.executable).with_name("lint-imports"))
    said = python(program, "--no-cache", cwd=REPOSITORY)
    assert "0 broken" in said
    assert "api and ingest never import each other KEPT" in said


def test_importing_changes_no_file(tmp_path: Path) -> None:
    here, home, temporary = (tmp_path / name for name in ("here", "home", "temporary"))
    for folder in (here, home, temporary):
        folder.mkdir()
    # onnxruntime would leave telemetry under HOME from its import on; the product tells it not to.
    own = {"HOME": str(home), "TMPDIR": str(temporary)}
    # torch makes an empty folder for a cache of its own.
    own["TORCHINDUCTOR_CACHE_DIR"] = str(temporary / "torchinductor")
    told = json.loads(python("-c", WATCH, cwd=here, **own))
    assert {"api.app", "api.command_line", "ingest.model.export", "retrieval.opening"} <= set(told["modules"])
    assert told["changes"] == []
    assert [*here.iterdir(), *home.iterdir()] == []
    assert [path for path in temporary.rglob("*") if path.name != "torchinductor"] == []


@pytest.mark.parametrize("module", ["api.app", "api.command_line"])
def test_the_api_loads_no_batch_library(module: str, tmp_path: Path) -> None:
    loaded = set(json.loads(python("-c", LOADED.format(module=module), cwd=tmp_path)))
    assert module in loaded
    assert loaded.isdisjoint({"torch", "polars", "sentence_transformers", "transformers", "ingest"})


def test_the_command_line_helps_without_the_heavy_libraries(tmp_path: Path) -> None:
    loaded = set(json.loads(python("-c", LOADED.format(module="ingest.commands.command_line"), cwd=tmp_path)))
    assert "ingest.commands.command_line" in loaded
    assert loaded.isdisjoint({"torch", "sentence_transformers", "onnxruntime", "polars", "litestar"})
