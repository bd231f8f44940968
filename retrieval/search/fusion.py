"""Fusion of a distance with BM25 relevances into one score. Pure."""

VIDEO_WORDS = 0.5
PASSAGE_WORDS = 0.3
"""The weights of the BM25 relevance of a video and of its best passage: distance per point of relevance.

Chosen on held-out halves of three query sets and by leaving out whole sets (docs/decisions/0002). Halving or
doubling either weight changes little.
"""


def fused_score(*, distance: float, video_relevance: float = 0.0, passage_relevance: float = 0.0) -> float:
    """Return the score of a video or a passage for a query: higher is better.

    `distance` is Manhattan, the relevances are BM25. The sum is a convex combination on absolute scales (see
    Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023), so common words
    change little. Fusion by ranks, or by scores that are normalised over a list, would weight the best of
    several poor matches as much as a good match.
    """
    return VIDEO_WORDS * video_relevance + PASSAGE_WORDS * passage_relevance - distance
