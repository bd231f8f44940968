"""The files of the default model that ship with the package are what its reference gives."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sentence_transformers import SentenceTransformer

from ingest.model.golden_set import golden_embeddings
from ingest.model.graph import build_graph
from ingest.model.model_assets import reference_embeddings
from ingest.model.weights import GRAPH_FILE, WEIGHTS_FILE, pinned_weights
from retrieval.text.onnx_encoder import OnnxEncoder
from tests.support.processes import REPOSITORY

TUTORIAL = REPOSITORY.parent / "shared" / "data" / "tutorial"


def test_the_graph_is_the_one_that_its_code_builds() -> None:
    assert GRAPH_FILE.read_bytes() == build_graph(pinned_weights() / WEIGHTS_FILE)


def test_the_golden_embeddings_are_those_of_sentence_transformers() -> None:
    np.testing.assert_allclose(golden_embeddings(), reference_embeddings(), rtol=0, atol=1e-6)


def test_the_served_model_returns_the_embeddings_of_sentence_transformers(model_dir: Path) -> None:
    if not TUTORIAL.is_dir():
        pytest.skip(f"the tutorial's data is not at {TUTORIAL}")
    videos = pl.read_parquet(TUTORIAL / "video-transcripts.parquet")
    texts = [
        *pl.read_csv(TUTORIAL / "eval-raw.csv")["query"],
        *(text or "" for column in ("title", "transcript") for text in videos[column]),
    ]
    expected = SentenceTransformer(str(pinned_weights()), device="cpu", local_files_only=True).encode(
        texts, show_progress_bar=False
    )
    encoder = OnnxEncoder(model_dir, document_threads=2)
    for embeddings in (encoder.encode_queries(texts), encoder.encode_documents(texts)):
        np.testing.assert_allclose(embeddings, expected, rtol=0, atol=1e-5)
