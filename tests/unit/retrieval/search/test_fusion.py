from hypothesis import given
from hypothesis import strategies as st

from retrieval.search.fusion import fused_score

distances = st.floats(0, 60)
relevances = st.floats(0, 60)
steps = st.floats(1e-3, 60)


@given(distances, relevances, relevances, steps)
def test_a_smaller_distance_and_a_larger_relevance_raise_the_score(
    distance: float, video: float, passage: float, step: float
) -> None:
    score = fused_score(distance=distance, video_relevance=video, passage_relevance=passage)
    assert score > fused_score(distance=distance + step, video_relevance=video, passage_relevance=passage)
    assert score < fused_score(distance=distance, video_relevance=video + step, passage_relevance=passage)
    assert score < fused_score(distance=distance, video_relevance=video, passage_relevance=passage + step)


def test_a_matching_word_outweighs_a_small_distance_but_not_a_large_one() -> None:
    matching = fused_score(distance=26.0, video_relevance=4.0, passage_relevance=4.0)
    assert matching > fused_score(distance=25.0)
    assert matching < fused_score(distance=10.0)
