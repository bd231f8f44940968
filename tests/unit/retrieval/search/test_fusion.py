from hypothesis import given
from hypothesis import strategies as st

from retrieval.search.ranking import evidence

distances = st.floats(0, 60)
relevances = st.floats(0, 60)
steps = st.floats(1e-3, 60)


@given(distances, relevances, relevances, steps)
def test_nearer_is_stronger(distance: float, video: float, passage: float, step: float) -> None:
    near = evidence(distance=distance, video_relevance=video, passage_relevance=passage)
    assert near > evidence(distance=distance + step, video_relevance=video, passage_relevance=passage)


@given(distances, relevances, relevances, steps)
def test_more_relevant_is_stronger(distance: float, video: float, passage: float, step: float) -> None:
    found = evidence(distance=distance, video_relevance=video, passage_relevance=passage)
    assert found < evidence(distance=distance, video_relevance=video + step, passage_relevance=passage)
    assert found < evidence(distance=distance, video_relevance=video, passage_relevance=passage + step)


@given(distances, distances)
def test_without_words_distance_decides_alone(one: float, other: float) -> None:
    assert (evidence(distance=one) > evidence(distance=other)) == (one < other)


def test_a_word_outweighs_a_small_distance_and_not_a_large_one() -> None:
    matched = evidence(distance=26.0, video_relevance=4.0, passage_relevance=4.0)
    assert matched > evidence(distance=25.0)
    assert matched < evidence(distance=10.0)
