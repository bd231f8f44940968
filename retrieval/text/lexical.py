"""BM25 term weights of a text as a sparse vector, the same for every engine.

The tokenizer, the stemmer and the stop words are those of Qdrant Edge's `Bm25`. A server gets the same
vectors, so it ranks alike. The engine applies the inverse document frequency when a query runs, so that no
stored vector changes when the catalogue grows.
"""

import functools

from qdrant_edge import Bm25, Bm25Config
from qdrant_edge import SparseVector as EdgeSparseVector

from retrieval.text.vectors import SparseVector

VIDEO_LENGTH = 256.0
"""The average document length of a video for BM25, in words.

It is a constant and not the average of the catalogue, so that new videos change no stored vector. It is far
below the length of a usual transcript: long talks mention everything, and a strong length penalty ranked best
on held-out queries (docs/decisions/0003).
"""

PASSAGE_LENGTH = 70.0
"""The average document length of a passage for BM25, in words without stop words."""


def weigh_video(title: str, transcript: str | None) -> SparseVector:
    """Return the term weights of a video's title and transcript."""
    return _sparse(_bm25(VIDEO_LENGTH).embed_document(f"{title} {transcript or ''}"))


def weigh_passage(title: str, text: str) -> SparseVector:
    """Return the term weights of a passage and of its video's title."""
    return _sparse(_bm25(PASSAGE_LENGTH).embed_document(f"{title} {text}"))


def weigh_query(text: str) -> SparseVector:
    """Return the term weights of a query. A query of stop words only has none, and matches nothing."""
    return _sparse(_bm25(VIDEO_LENGTH).embed_query(text))


@functools.cache
def _bm25(average_length: float) -> Bm25:
    return Bm25(Bm25Config(avg_len=average_length, language="english"))


def _sparse(weights: EdgeSparseVector) -> SparseVector:
    return SparseVector(tuple(weights.indices), tuple(weights.values))
