import sys
from pathlib import Path

import pytest

from retrieval.command_names import as_typed_here

MESSAGE = "Run python -m ingest sync X, PORT=80 python -m api or python -m pip install x. See python -m x."


def venv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    return python


def test_in_a_checkout_commands_name_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert as_typed_here(MESSAGE) == (
        "Run .venv/bin/python -m ingest sync X, PORT=80 .venv/bin/python -m api or "
        ".venv/bin/python -m pip install x. See python -m x."
    )
    assert as_typed_here(as_typed_here(MESSAGE)) == as_typed_here(MESSAGE)


def test_elsewhere_they_name_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = venv(tmp_path / "checkout", monkeypatch)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert as_typed_here("python -m ingest status") == f"{python} -m ingest status"


def test_a_path_with_a_space_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = venv(tmp_path / "my checkout", monkeypatch)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert as_typed_here("python -m ingest status") == f"'{python}' -m ingest status"


@pytest.mark.parametrize("executable", ["on the path", ""])
def test_in_an_active_environment_they_stay(
    executable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = venv(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", str(python.parent))
    if not executable:
        monkeypatch.setattr(sys, "executable", "")
    assert as_typed_here(MESSAGE) == MESSAGE
