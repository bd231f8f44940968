"""The tutorial's rule by brute force in float64: the expected results of the classic route."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from benchmarks.datasets import TutorialIndex
from ingest.model.weights import pinned_weights

THRESHOLD = 40.0
MOST = 5


def load_reference() -> SentenceTransformer:
    """Load the reference implementation of the model on the CPU."""
    return SentenceTransformer(str(pinned_weights()), device="cpu", local_files_only=True)


def all_distances(
    index: TutorialIndex, model: SentenceTransformer, queries: Sequence[str]
) -> NDArray[np.float64]:
    """Return the sums of the distances to title and transcript: shape (queries, videos)."""
    rows = []
    for text in queries:
        # Separately, like the tutorial: in a batch, padding changes the last digits.
        query = np.asarray(model.encode(text, show_progress_bar=False), np.float64)
        rows.append(
            np.abs(index.title_embeddings - query).sum(axis=1)
            + np.abs(index.transcript_embeddings - query).sum(axis=1)
        )
    return np.stack(rows)


def first_five(distances: NDArray[np.float64], ids: Sequence[str]) -> list[str]:
    """Return at most five ids under the threshold, nearest first."""
    order = np.argsort(distances, kind="stable")
    return [ids[place] for place in order[:MOST] if distances[place] < THRESHOLD]
