"""The GPU's encoder, run on the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ingest.embedding.encoders import check_agreement, load_model
from ingest.errors import IngestError
from ingest.model.golden_set import golden_texts
from ingest.model.reference_encoder import TorchEncoder
from retrieval.text.onnx_encoder import OnnxEncoder


@pytest.fixture(scope="module")
def exported(model_dir: Path) -> OnnxEncoder:
    return OnnxEncoder(model_dir, document_threads=2)


@pytest.fixture(scope="module")
def torch_encoder(exported: OnnxEncoder) -> TorchEncoder:
    return TorchEncoder(exported, device="cpu")


def test_sentence_transformers_and_the_export_agree(
    torch_encoder: TorchEncoder, exported: OnnxEncoder
) -> None:
    texts = golden_texts()[::2]
    assert len(texts) >= 32
    by_torch = torch_encoder.encode_documents(texts)
    np.testing.assert_allclose(by_torch, exported.encode_documents(texts), rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(by_torch, axis=1), 1, rtol=0, atol=1e-5)
    assert check_agreement(torch_encoder, exported, texts[:8]) <= 1e-5


def test_both_encoders_count_the_same_pieces(torch_encoder: TorchEncoder, exported: OnnxEncoder) -> None:
    for text in ("", "tomatoes", "word " * 300):
        assert torch_encoder.count_pieces(text) == exported.count_pieces(text)
    assert exported.count_pieces("word " * 300) == 302


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch finds a GPU")
def test_a_missing_gpu_is_an_error(model_dir: Path) -> None:
    with pytest.raises(IngestError, match=r"torch finds no GPU\. Run without --device to embed on the CPU"):
        load_model(model_dir, device="cuda")
