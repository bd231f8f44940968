"""What every test may ask for."""

import os
from pathlib import Path

import pytest

from retrieval.errors import ModelUnavailableError
from retrieval.exported_model import read_exported_model
from retrieval.settings import DATA_DIR


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported model: the one on this machine, else one exported for this session."""
    folder = Path(os.environ.get("MODEL_DIR") or DATA_DIR / "model")
    try:
        read_exported_model(folder)
    except ModelUnavailableError:
        from ingest.export_onnx import export_model

        folder = tmp_path_factory.mktemp("model")
        export_model(folder)
    return folder
