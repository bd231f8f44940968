"""The export of sentence-transformers models other than the default."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from ingest.errors import ExportError
from ingest.model.export import MAX_DIFFERENCE, export_model
from retrieval.text.exported_model import ExportedModel, read_exported_model
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import Embeddings
from tests.reference.tiny_model import DIMENSION, WEIGHTS, save_tiny_model
from tests.support.model_files import cut_short, edit_json

# Not the texts of the proof: empty, of one letter, of other scripts, and longer than the model reads.
TEXTS = [
    "",
    "a",
    "how do I prune roses",
    "Wie geht's?",
    "\u5bff\u53f8\u306e\u4f5c\u308a\u65b9",
    "\U0001f345 " * 7,
    " ".join(f"word{n}" for n in range(90)),
    "tomato " * 400,
]

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def export(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportedModel]:
    """A whole export, made over an older one."""
    target = tmp_path_factory.mktemp("export") / "model"
    target.mkdir()
    for name in ("graph-0123456789ab.onnx", "tokenizer-0123456789ab.json", "model.json"):
        (target / name).write_bytes(b"{}")
    return target, export_model(target, str(tiny_model))


@pytest.fixture
def in_use(export: tuple[Path, ExportedModel], tmp_path: Path) -> Path:
    """A copy of the export, for a test to put at risk."""
    return shutil.copytree(export[0], tmp_path / "in-use")


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the model, for a test to damage."""
    return shutil.copytree(tiny_model, tmp_path / "damaged")


def files_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refuse(target: Path, model: str) -> str:
    """Check that an export fails and leaves the current one unchanged; return the message."""
    before = files_of(target)
    with pytest.raises(ExportError) as refused:
        export_model(target, model)
    assert files_of(target) == before
    OnnxEncoder(target).encode_queries(["still served"])
    return str(refused.value)


def test_the_export_matches_its_description(export: tuple[Path, ExportedModel], tiny_model: Path) -> None:
    target, exported = export
    assert read_exported_model(target) == exported
    weights = hashlib.sha256((tiny_model / WEIGHTS).read_bytes()).hexdigest()
    identity = exported.identity
    assert (identity.name, identity.weights_sha256, identity.dimension) == ("tiny", weights, DIMENSION)
    assert exported.max_pieces == 256
    assert exported.proof.startswith("max abs difference ")


def test_the_previous_export_is_deleted(export: tuple[Path, ExportedModel]) -> None:
    target, exported = export
    assert set(files_of(target)) == {"lock", "model.json", exported.graph.name, exported.tokenizer.name}


@pytest.mark.parametrize("way", ["encode_queries", "encode_documents"])
def test_the_export_returns_the_models_embeddings(
    export: tuple[Path, ExportedModel], tiny_model: Path, way: str
) -> None:
    reference = SentenceTransformer(str(tiny_model), device="cpu", local_files_only=True)
    expected = reference.encode(TEXTS, show_progress_bar=False)
    found = getattr(OnnxEncoder(export[0]), way)(TEXTS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("offset", [2 * MAX_DIFFERENCE, float("nan")])
def test_a_graph_that_differs_from_the_model_is_not_used(
    in_use: Path, model: Path, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    encode = SentenceTransformer.encode

    def encode_with_an_offset(*arguments: object, **options: object) -> Embeddings:
        embeddings: Embeddings = encode(*arguments, **options)  # type: ignore[arg-type]
        embeddings[-1, -1] += offset
        return embeddings

    monkeypatch.setattr(SentenceTransformer, "encode", encode_with_an_offset)
    message = refuse(in_use, str(model))
    assert message.startswith("The exported graph differs from the model: over ")
    assert message.endswith("1e-05 is allowed. The previous export stays in use.")


def test_truncated_weights_are_refused(in_use: Path, model: Path) -> None:
    cut_short(model / WEIGHTS)
    message = refuse(in_use, str(model))
    assert message.startswith(f"The model in {model} cannot be loaded: ")
    assert message.endswith("Nothing was exported.")


def test_another_pooling_is_refused(in_use: Path, model: Path) -> None:
    edit_json(
        model / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True
    )
    assert "Only BERT with mean pooling and normalisation can be exported" in refuse(in_use, str(model))


def test_a_model_that_does_not_normalise_is_refused(in_use: Path, model: Path) -> None:
    modules = json.loads((model / "modules.json").read_text())
    (model / "modules.json").write_text(json.dumps(modules[:2]))
    assert "Only BERT with mean pooling and normalisation can be exported" in refuse(in_use, str(model))


def test_a_folder_that_is_no_model_is_refused(in_use: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert f"The model in {tmp_path / 'empty'} cannot be loaded" in refuse(in_use, str(tmp_path / "empty"))


def test_a_missing_folder_is_refused(in_use: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert refuse(in_use, nowhere).startswith(f"{nowhere!r} is not a folder, and could not be downloaded")
