import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import ModelUnavailableError
from retrieval.text.exported_model import DESCRIPTION_FILE, ExportedFile, read_exported_model, sha256_of
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import Embeddings

MIXED = [
    "how do transformers work",
    "",
    "a",
    "word " * 400,
    "Neural networks learn from data. " * 20,
    "猫が好き 👩‍🚀 café naïve",
    "   \n\t ",
    "!?!? ...",
    "[SEP] [CLS] [PAD]",
    "how do transformers work",
    "x" * 5000,
    *(f"query number {n} about topic {n % 7}" for n in range(60)),
]


@pytest.fixture(scope="module")
def encoder(model_dir: Path) -> OnnxEncoder:
    return OnnxEncoder(model_dir)


@pytest.fixture(scope="module")
def alone(encoder: OnnxEncoder) -> Embeddings:
    """Each text embedded separately, without packing and padding."""
    return np.concatenate([encoder.encode_documents([text]) for text in MIXED])


def difference(one: Embeddings, other: Embeddings) -> float:
    assert one.shape == other.shape
    return float(np.abs(one - other).max())


def test_packing_and_padding_change_no_embedding(encoder: OnnxEncoder, alone: Embeddings) -> None:
    assert difference(encoder.encode_queries(MIXED), alone) <= 1e-5
    assert difference(encoder.encode_documents(MIXED), alone) <= 1e-5


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=12))
def test_other_texts_in_the_batch_change_no_embedding(encoder: OnnxEncoder, texts: list[str]) -> None:
    alone = np.concatenate([encoder.encode_queries([text]) for text in texts])
    assert difference(encoder.encode_queries(texts), alone) <= 1e-5
    assert difference(encoder.encode_documents(texts), alone) <= 1e-5


def test_embeddings_are_finite_and_of_unit_length(encoder: OnnxEncoder, alone: Embeddings) -> None:
    assert alone.dtype == np.float32
    assert alone.shape == (len(MIXED), encoder.exported.identity.dimension)
    assert np.isfinite(alone).all()
    assert np.linalg.norm(alone, axis=1) == pytest.approx(np.ones(len(MIXED)), abs=1e-5)


def test_no_texts_give_no_rows(encoder: OnnxEncoder) -> None:
    assert encoder.encode_queries([]).shape == encoder.encode_documents([]).shape == (0, 384)


def test_an_empty_text_has_an_embedding(encoder: OnnxEncoder) -> None:
    empty, blank, word = encoder.encode_queries(["", "  ", "word"])
    assert np.abs(empty - blank).max() <= 1e-5
    assert np.abs(empty - word).max() > 1e-2


def test_a_text_is_truncated_at_256_pieces(encoder: OnnxEncoder) -> None:
    limit = encoder.exported.max_pieces
    assert limit == 256
    # Two of the pieces are special tokens.
    full = "cat " * (limit - 2)
    assert encoder.count_pieces(full) == limit
    texts = [full, full + "dog " * 500, "cat " * (limit - 3) + "dog", "cat " * (limit - 3) + "dog dog dog"]
    for rows in (encoder.encode_queries(texts), encoder.encode_documents(texts)):
        assert np.abs(rows[0] - rows[1]).max() <= 1e-5
        assert np.abs(rows[2] - rows[3]).max() <= 1e-5
        assert np.abs(rows[0] - rows[2]).max() > 1e-4


def test_pieces_are_counted_before_truncation(encoder: OnnxEncoder) -> None:
    assert encoder.count_pieces("") == 2
    assert encoder.count_pieces("cat") == 3
    assert encoder.count_pieces("cat " * 1000) == 1002


def test_similar_texts_are_near_and_case_is_ignored(encoder: OnnxEncoder) -> None:
    cat, upper, kitten, tax = encoder.encode_queries(["a cat", "A CAT", "a kitten", "income tax law"])
    assert np.abs(cat - upper).max() <= 1e-5
    assert np.abs(cat - kitten).sum() < np.abs(cat - tax).sum()


def test_the_encoder_is_thread_safe(encoder: OnnxEncoder, alone: Embeddings) -> None:
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: encoder.encode_queries([text])[0], MIXED[-24:]))
    assert difference(np.asarray(rows), alone[-24:]) <= 1e-5


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="export-model"):
        OnnxEncoder(tmp_path)


def test_an_invalid_graph_with_the_right_checksum_is_refused(model_dir: Path, tmp_path: Path) -> None:
    exported = read_exported_model(model_dir)
    shutil.copy(model_dir / exported.tokenizer.name, tmp_path)
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"not a graph")
    description = msgspec.structs.replace(
        exported, graph=ExportedFile(graph.name, sha256_of(graph)), weights=None
    )
    (tmp_path / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(description))
    with pytest.raises(ModelUnavailableError, match=r"graph\.onnx cannot be loaded"):
        OnnxEncoder(tmp_path)


def test_an_invalid_tokenizer_with_the_right_checksum_is_refused(model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_dir, tmp_path / "model")
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_bytes(b"\xff")
    description = msgspec.structs.replace(
        read_exported_model(folder), tokenizer=ExportedFile(tokenizer.name, sha256_of(tokenizer))
    )
    (folder / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(description))
    with pytest.raises(ModelUnavailableError, match=r"tokenizer\.json cannot be loaded: .*export-model"):
        OnnxEncoder(folder)


def test_a_description_of_another_dimension_is_refused(model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_dir, tmp_path / "model")
    exported = read_exported_model(folder)
    other = msgspec.structs.replace(exported.identity, dimension=385)
    description = msgspec.structs.replace(exported, identity=other)
    (folder / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(description))
    with pytest.raises(
        ModelUnavailableError, match=r"have 384 dimensions, and 385 are expected.*export-model"
    ):
        OnnxEncoder(folder)
