"""What every test may ask for."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrieval.errors import ModelUnavailableError
from retrieval.settings import DATA_DIR
from retrieval.text.exported_model import read_exported_model


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=4, help="how many syncs each crash test kills (4)")
    parser.addoption("--stride", type=int, default=6, help="every how many-th request of a run fails (6)")
    parser.addoption("--stops", type=int, default=2, help="how often the service is stopped under load (2)")
    parser.addoption("--switches", type=int, default=6, help="how often the index is switched (6)")
    parser.addoption("--screenshots", type=Path, help="a folder for pictures of the pages (none are taken)")


def _number(request: pytest.FixtureRequest, option: str) -> int:
    number: int = request.config.getoption(option)
    return number


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest) -> int:
    """How many runs each test that kills runs is to kill."""
    return _number(request, "--kills")


@pytest.fixture(scope="session")
def stride(request: pytest.FixtureRequest) -> int:
    """Of a run's requests to a server, every how many-th is to be the one from which on it fails."""
    return _number(request, "--stride")


@pytest.fixture(scope="session")
def stops(request: pytest.FixtureRequest) -> int:
    """How often a service is to be stopped while it is asked."""
    return _number(request, "--stops")


@pytest.fixture(scope="session")
def switches(request: pytest.FixtureRequest) -> int:
    """How often the live version is to change while a service is asked."""
    return _number(request, "--switches")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def nothing_kept() -> Iterator[None]:
    """Keep no embeddings in this checkout, and find none: what a test embeds is to be embedded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDDINGS_DIR", "off")
        yield


@pytest.fixture(scope="session")
def index_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Make new folders for indexes, in memory where there is such a place.

    An index syncs a hundred small files to disk, and no test can pull the plug to see whether it did.
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
    """The exported model: the one on this machine, else one exported for this session."""
    folder = Path(os.environ.get("MODEL_DIR") or DATA_DIR / "model")
    try:
        read_exported_model(folder)
    except ModelUnavailableError:
        from ingest.model.export import export_model

        folder = tmp_path_factory.mktemp("model")
        export_model(folder)
    return folder
