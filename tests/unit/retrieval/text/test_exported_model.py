import hashlib
from pathlib import Path

import msgspec
import pytest

from retrieval.catalogue.manifest import ModelIdentity
from retrieval.errors import ModelUnavailableError
from retrieval.text.exported_model import (
    DESCRIPTION_FILE,
    ExportedFile,
    ExportedModel,
    check_sha256,
    read_exported_model,
    sha256_of,
)

GRAPH, TOKENIZER = b"graph" * 300_000, b"{}"


@pytest.fixture
def exported() -> ExportedModel:
    return ExportedModel(
        identity=ModelIdentity(name="m", weights_sha256="0" * 64, dimension=4),
        max_pieces=256,
        graph=ExportedFile("graph-1.onnx", hashlib.sha256(GRAPH).hexdigest()),
        tokenizer=ExportedFile("tokenizer-1.json", hashlib.sha256(TOKENIZER).hexdigest()),
        proof="max abs difference 1e-7",
    )


@pytest.fixture
def folder(tmp_path: Path, exported: ExportedModel) -> Path:
    (tmp_path / exported.graph.name).write_bytes(GRAPH)
    (tmp_path / exported.tokenizer.name).write_bytes(TOKENIZER)
    (tmp_path / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(exported))
    return tmp_path


def test_a_complete_export_is_read(folder: Path, exported: ExportedModel) -> None:
    (folder / "graph-0.onnx").write_bytes(b"left by an interrupted export")
    assert read_exported_model(folder) == exported


@pytest.mark.parametrize("missing", ["", "no/such/folder"])
def test_a_missing_export_is_refused_with_the_command_that_makes_one(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ModelUnavailableError, match="python -m ingest export-model"):
        read_exported_model(tmp_path / missing)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b'{"identity": {"name": "m"}}', b"\xff"])
def test_a_damaged_description_is_refused(folder: Path, content: bytes) -> None:
    (folder / DESCRIPTION_FILE).write_bytes(content)
    with pytest.raises(ModelUnavailableError, match=DESCRIPTION_FILE):
        read_exported_model(folder)


def test_a_file_instead_of_a_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=DESCRIPTION_FILE):
        read_exported_model(folder / "graph-1.onnx")


@pytest.mark.parametrize("name", ["graph-1.onnx", "tokenizer-1.json"])
def test_a_missing_truncated_or_changed_file_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole + b" ", b"x" + whole[1:], whole[:-1] + b"x", b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelUnavailableError, match=rf"{name} is damaged .*ingest export-model"):
            read_exported_model(folder)
    path.unlink()
    with pytest.raises(ModelUnavailableError, match=rf"{name} cannot be read.*python -m ingest export-model"):
        read_exported_model(folder)


def test_a_file_of_several_blocks_has_the_right_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 1, 1 << 20, (1 << 20) + 1):
        path.write_bytes(b"7" * size)
        expected = hashlib.sha256(b"7" * size).hexdigest()
        assert sha256_of(path) == expected
        check_sha256(path, expected)
