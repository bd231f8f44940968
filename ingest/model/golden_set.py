"""The golden set: texts of 1 to 600 words, and the embeddings that `SentenceTransformer.encode` returns.

The texts come from the sample catalogue, with a few in other scripts. Every model is proved on them.
`make model-assets` renews the embeddings, which are those of the default model.
"""

import json
from pathlib import Path

import numpy as np

from retrieval.text.vectors import Embeddings

_FOLDER = Path(__file__).parent
TEXTS_FILE = _FOLDER / "golden_texts.json"
EMBEDDINGS_FILE = _FOLDER / "golden_embeddings.npy"


def golden_texts() -> list[str]:
    """Return the texts."""
    texts: list[str] = json.loads(TEXTS_FILE.read_text(encoding="utf-8"))
    return texts


def golden_embeddings() -> Embeddings:
    """Return the embeddings of the texts by the default model, float32 of shape (texts, 384)."""
    embeddings: Embeddings = np.load(EMBEDDINGS_FILE)
    return embeddings
