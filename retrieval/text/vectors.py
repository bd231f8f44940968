"""The encoder protocols: text in, embeddings out.

Queries and documents go through differently named methods on purpose: a model that wants a prefix for one
of them changes one method, and no caller can mix them up.
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


class QueryEncoder(Protocol):
    """Embeds what a user typed."""

    async def encode_query(self, text: str) -> Embedding:
        """Embed one query.

        Raises OverloadedError where too many queries already wait.
        """


class DocumentEncoder(Protocol):
    """Embeds what a catalogue holds."""

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one row a text, in their order."""

    def count_pieces(self, text: str) -> int:
        """Count the word pieces of a text before any cut, the two marks around it included."""


class SparseVector(msgspec.Struct, frozen=True):
    """Word weights: `values[i]` belongs to the word hashed to `indices[i]`; no index repeats."""

    indices: tuple[int, ...]
    values: tuple[float, ...]
