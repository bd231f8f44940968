"""Adding up what meaning and words say. Pure."""

RELEVANCE_WEIGHT = 0.4
"""How much distance one point of BM25 relevance is worth.

Chosen on held-out halves of three query sets (docs/decisions/0002): anything from 0.2 to 0.8 does about as
well, so it is not tuned to any of them.
"""


def evidence(*, distance: float, relevance: float) -> float:
    """Say how strongly a text is meant by a query: higher is better.

    `distance` is Manhattan, `relevance` BM25. Both keep their own absolute scale (a convex combination, see
    Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023), so words that tell
    little change little. Ranks or scores normalised over the list would give the best of some poor matches
    as much weight as a good one.
    """
    return RELEVANCE_WEIGHT * relevance - distance
