"""The encoder protocols and the types of their vectors.

Queries and documents have differently named methods on purpose: a model that needs a prefix for one of them
changes one method, and no caller can confuse the two.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]
"""Shape (texts, dimension), each row of unit Euclidean length."""

Embedding = NDArray[np.float32]
"""Shape (dimension,), of unit Euclidean length."""

PairVector = NDArray[np.float32]
"""Shape (2 * dimension,): two embeddings end to end."""


def pair(query: Embedding) -> PairVector:
    """Return an embedding twice, end to end, to compare it with both halves of a pair."""
    return np.concatenate([query, query])


class QueryEncoder(Protocol):
    """Embeds queries."""

    async def encode_query(self, text: str) -> Embedding:
        """Embed one query. Raises OverloadedError if too many queries are waiting."""


class DocumentEncoder(Protocol):
    """Embeds the texts of a catalogue."""

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts: one row per text, in the same order."""

    def count_pieces(self, text: str) -> int:
        """Count the word pieces of a text before truncation, including the two special tokens."""


class SparseVector(msgspec.Struct, frozen=True):
    """Term weights: `values[i]` is the weight of the word hashed to `indices[i]`. No index repeats."""

    indices: tuple[int, ...]
    values: tuple[float, ...]
