import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.embedding.encoders import MAX_GPU_DIFFERENCE, check_agreement, load_model
from ingest.errors import IngestError
from ingest.model.weights import PINNED_MODEL, PINNED_WEIGHTS_SHA256
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import Embeddings
from tests.support.model_files import edit_json


class OffEncoder:
    """The export's embeddings, with one coordinate of one text off."""

    def __init__(self, exported: OnnxEncoder, off: float) -> None:
        self._exported = exported
        self._off = off

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        embeddings = self._exported.encode_documents(texts)
        embeddings[-1, 7] += self._off
        return embeddings


@pytest.fixture(scope="module")
def exported(model_dir: Path) -> OnnxEncoder:
    return OnnxEncoder(model_dir, document_threads=2)


@pytest.mark.parametrize("off", [2 * MAX_GPU_DIFFERENCE, -2 * MAX_GPU_DIFFERENCE, float("nan")])
def test_an_encoder_with_other_embeddings_is_refused(exported: OnnxEncoder, off: float) -> None:
    with pytest.raises(IngestError, match=r"differ from the exported model's .* run without --device cuda"):
        check_agreement(OffEncoder(exported, off), exported, ["one", "two"])


def test_rounding_errors_of_a_gpu_are_allowed(exported: OnnxEncoder) -> None:
    off = OffEncoder(exported, MAX_GPU_DIFFERENCE / 2)
    difference = check_agreement(off, exported, ["one", "two"])
    assert difference == pytest.approx(MAX_GPU_DIFFERENCE / 2, abs=1e-6)


def test_a_run_on_the_cpu_uses_the_export(model_dir: Path, exported: OnnxEncoder) -> None:
    model = load_model(model_dir, device="cpu")
    assert model.identity == exported.exported.identity
    assert (model.identity.name, model.identity.weights_sha256) == (PINNED_MODEL, PINNED_WEIGHTS_SHA256)
    assert model.max_pieces == 256
    assert model.variant == (exported.exported.tokenizer.sha256, exported.exported.graph.sha256, "cpu")
    found = model.encoder.encode_documents(["growing tomatoes"])
    np.testing.assert_allclose(found, exported.encode_documents(["growing tomatoes"]), rtol=0, atol=1e-6)


def test_a_gpu_supports_the_pinned_model_only(model_dir: Path, tmp_path: Path) -> None:
    another = shutil.copytree(model_dir, tmp_path / "another")
    identity = {"name": "another", "weights_sha256": "0" * 64, "dimension": 384}
    edit_json(another / "model.json", identity=identity)
    with pytest.raises(IngestError, match=f"supports only {PINNED_MODEL}, but the exported model is another"):
        load_model(another, device="cuda")


def test_a_gpu_run_without_the_extra_names_the_command_that_installs_it(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "ingest.model.reference_encoder", raising=False)
    with pytest.raises(IngestError, match=r"--device cuda needs torch .* not installed.* make reference$"):
        load_model(model_dir, device="cuda")
