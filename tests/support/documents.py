"""A document encoder without a model, and catalogues for it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.embedding import encoders
from ingest.embedding.encoders import Model
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.text.vectors import Embedding, Embeddings

DIMENSION = 16
_WORDS = ("bread", "salt", "oven", "flour", "water", "wheel", "chain", "brake", "saddle", "tyre", "moon")
IDENTITY = ModelIdentity(name="words", weights_sha256="0" * 64, dimension=DIMENSION)


class WordEncoder:
    """A DocumentEncoder that places texts with common words near each other, and records its calls."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        self.calls.append(list(texts))
        return np.stack([embedding_of(text) for text in texts])

    def count_pieces(self, text: str) -> int:
        return len(text.split()) + 2

    @property
    def texts(self) -> list[str]:
        """Every embedded text, in order."""
        return [text for call in self.calls for text in call]


class RenamingEncoder(WordEncoder):
    """Encodes some texts as others, like a model other than the one that built the index."""

    def __init__(self, taken_for: Mapping[str, str]) -> None:
        super().__init__()
        self._taken_for = taken_for

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        return super().encode_documents([self._taken_for.get(text, text) for text in texts])


class RaisingEncoder(WordEncoder):
    """Raises an error on every call."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        self.calls.append(list(texts))
        raise self._error


def embedding_of(text: str) -> Embedding:
    """Embed a text as the sum of its words' directions."""
    total = sum((_direction(word) for word in text.lower().split()), start=np.full(DIMENSION, 1e-3))
    unit: Embedding = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


def word_model(encoder: WordEncoder | None = None) -> Model:
    return Model(encoder or WordEncoder(), IDENTITY, max_pieces=256)


def use_word_encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    """Make the command line use an encoder without a model."""
    encoder = WordEncoder()
    use_model(monkeypatch, word_model(encoder))
    return encoder


def use_model(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    """Make the command line use this model."""

    def load_model(_: Path, *, device: str) -> Model:
        assert device == "cpu"
        return model

    monkeypatch.setattr(encoders, "load_model", load_model)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def alike_videos(count: int) -> list[dict[str, object]]:
    """Generate short videos that share a few words; some have no transcript."""
    chance = np.random.default_rng(11)
    rows: list[dict[str, object]] = []
    for number in range(count):
        said = " ".join(chance.choice(_WORDS, 12))
        transcript = None if number % 9 == 0 else f"{said} {number if number % 5 else ''}"
        rows.append({"video_id": f"v{number}", "title": f"{said[:14]} {number}", "transcript": transcript})
    return rows


def _direction(word: str) -> Embedding:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
