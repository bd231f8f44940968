"""Options and fixtures of all tests."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from retrieval.errors import ModelUnavailableError
from retrieval.settings import DATA_DIR
from retrieval.text.exported_model import read_exported_model
from tests.support.clock import Clock

# Hypothesis measures examples and their generation by default, which fails on a busy machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="number of syncs that each crash test kills (2)")
    parser.addoption(
        "--stride", type=int, default=6, help="a fault is tried at every n-th request of a run (6)"
    )
    parser.addoption("--stops", type=int, default=2, help="number of stops under load (2)")
    parser.addoption("--switches", type=int, default=6, help="number of index switches under load (6)")
    parser.addoption("--screenshots", type=Path, help="folder for screenshots of the pages (none)")


def _number_of(option: str) -> Any:
    """Make a fixture with the value of an option."""

    @pytest.fixture(scope="session", name=option)
    def number(request: pytest.FixtureRequest) -> int:
        value: int = request.config.getoption(option)
        return value

    return number


kills, stride, stops, switches = map(_number_of, ("kills", "stride", "stops", "switches"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def nothing_kept() -> Iterator[None]:
    """Switch the embeddings cache of this checkout off, so that tests compute every embedding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDDINGS_DIR", "off")
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def index_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Create folders for indexes, in memory if possible.

    An index syncs a hundred small files to disk, which no test can check by cutting the power.
    """
    memory = Path("/dev/shm")  # noqa: S108 - the folder made there has a name of its own.
    parent = memory if os.access(memory, os.W_OK) else tmp_path_factory.getbasetemp()
    root = Path(tempfile.mkdtemp(prefix="vidsearch-tests-", dir=parent))
    yield lambda: Path(tempfile.mkdtemp(dir=root))
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def index_folder(index_folders: Callable[[], Path]) -> Path:
    return index_folders()


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported model of this checkout, or one exported for this session."""
    folder = Path(os.environ.get("MODEL_DIR") or DATA_DIR / "model")
    try:
        read_exported_model(folder)
    except ModelUnavailableError:
        from ingest.model.export import export_model

        folder = tmp_path_factory.mktemp("model")
        export_model(folder)
    return folder
