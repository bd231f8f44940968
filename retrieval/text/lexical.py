"""Texts as bags of words, for the lexical leg: BM25 weights as sparse vectors, the same for every engine.

The tokenizer, the stemmer and the stop words are Qdrant Edge's own `Bm25`, so that a server, which gets the
same vectors, ranks alike. The inverse document frequency is the engine's: it is counted over the collection
when a query runs, and no vector has to change when the catalogue grows.
"""

import functools

from qdrant_edge import Bm25, Bm25Config
from qdrant_edge import SparseVector as EdgeSparseVector

from retrieval.text.vectors import SparseVector

VIDEO_LENGTH = 256.0
"""The length, in words, beyond which a whole transcript counts as long.

It is a constant, not the catalogue's average, so that adding videos changes no stored vector. It is far below
a usual transcript's length on purpose: long talks mention everything, and on held-out queries over talks of
every length a strong length penalty ranked best (docs/decisions/0003).
"""

PASSAGE_LENGTH = 70.0
"""The length, in words after stop words, of a usual passage."""


def weigh_video(title: str, transcript: str | None) -> SparseVector:
    """Weigh the words of a video's title and transcript."""
    return _sparse(_bm25(VIDEO_LENGTH).embed_document(f"{title} {transcript or ''}"))


def weigh_passage(title: str, text: str) -> SparseVector:
    """Weigh the words of a passage and of the title it stands under."""
    return _sparse(_bm25(PASSAGE_LENGTH).embed_document(f"{title} {text}"))


def weigh_query(text: str) -> SparseVector:
    """Weigh the words of a query; it may have none left, and then matches nothing."""
    return _sparse(_bm25(VIDEO_LENGTH).embed_query(text))


@functools.cache
def _bm25(usual_length: float) -> Bm25:
    return Bm25(Bm25Config(avg_len=usual_length, language="english"))


def _sparse(weights: EdgeSparseVector) -> SparseVector:
    return SparseVector(tuple(weights.indices), tuple(weights.values))
