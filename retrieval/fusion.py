"""Adding up what meaning and words say. Pure."""

VIDEO_WORDS = 0.5
PASSAGE_WORDS = 0.3
"""How much distance one point of BM25 relevance is worth, of a video's words and of its best passage's.

Chosen on held-out halves of three query sets and by leaving whole sets out (docs/decisions/0002). They lie on
a plateau: half or twice of either changes little.
"""


def evidence(*, distance: float, video_relevance: float = 0.0, passage_relevance: float = 0.0) -> float:
    """Say how strongly a query means a video, or a passage: higher is better.

    `distance` is Manhattan, the relevances are BM25. Each keeps its own absolute scale, so words that tell
    little change little (a convex combination; see Bruch, Gai and Ingber, "An Analysis of Fusion Functions
    for Hybrid Retrieval", 2023). Ranks, or scores normalised over the list, would give the best of some poor
    matches as much weight as a good one.
    """
    return VIDEO_WORDS * video_relevance + PASSAGE_WORDS * passage_relevance - distance
