import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text.lexical import PASSAGE_LENGTH, VIDEO_LENGTH, weigh_passage, weigh_query, weigh_video
from retrieval.text.vectors import SparseVector


def weight(words: SparseVector, word: str) -> float:
    """Return the weight of one word; 0 if it is absent."""
    (index,) = weigh_query(word).indices
    return dict(zip(words.indices, words.values, strict=True)).get(index, 0.0)


@pytest.mark.parametrize("text", ["", "   ", "the", "of the and", "?!", "...", "-"])
def test_a_query_of_stop_words_has_no_weights(text: str) -> None:
    assert weigh_query(text) == SparseVector((), ())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cat", "two cats"),
        ("CAT", "a cat"),
        ("running", "he runs"),
        ("GPT-4", "about GPT-4 today"),
        ("café", "the café"),
        ("猫", "猫"),
        ("1999", "in 1999"),
    ],
)
def test_a_query_matches_other_forms_of_its_words(query: str, text: str) -> None:
    words = set(weigh_query(query).indices)
    assert words
    assert words <= set(weigh_video("", text).indices)
    assert words <= set(weigh_passage("", text).indices)


def test_the_words_of_the_title_count_too() -> None:
    assert weight(weigh_video("On zebras", None), "zebra") > 0
    assert weight(weigh_video("On zebras", "about lions"), "zebra") > 0
    assert weight(weigh_video("On zebras", "about lions"), "lion") > 0
    assert weight(weigh_passage("On zebras", "about lions"), "zebra") > 0
    assert weight(weigh_video("On zebras", None), "lion") == 0


def test_a_missing_transcript_adds_no_words() -> None:
    assert set(weigh_video("zebra", None).indices) == set(weigh_query("zebra").indices)


def test_a_frequent_word_weighs_more_and_a_word_of_a_longer_text_weighs_less() -> None:
    filler = " ".join(f"word{n}" for n in range(50))
    for weigh in (weigh_video, weigh_passage):
        once = weight(weigh("", f"zebra {filler}"), "zebra")
        assert weight(weigh("", f"zebra zebra zebra {filler}"), "zebra") > once
        assert weight(weigh("", f"zebra {filler} {filler} more"), "zebra") < once


def test_a_word_of_a_text_of_average_length_has_weight_one() -> None:
    # BM25 with k1 = 1.2: one occurrence in a text of average length weighs (k1 + 1) / (1 + k1) = 1.
    for weigh, length in ((weigh_video, VIDEO_LENGTH), (weigh_passage, PASSAGE_LENGTH)):
        text = " ".join(f"word{n}" for n in range(int(length) - 1))
        assert weight(weigh("zebra", text), "zebra") == pytest.approx(1.0, abs=1e-3)


def test_every_word_of_a_query_has_weight_one() -> None:
    assert set(weigh_query("cat dog").values) == {1.0}
    assert weigh_query("cat cats CAT").indices == weigh_query("cat").indices


@given(st.text(max_size=80))
def test_no_index_repeats_and_every_weight_is_positive(text: str) -> None:
    for words in (weigh_query(text), weigh_video(text, text), weigh_passage(text, text)):
        assert len(words.indices) == len(words.values) == len(set(words.indices))
        assert all(value > 0 for value in words.values)


@given(st.text(max_size=80))
def test_a_text_matches_itself(text: str) -> None:
    assert set(weigh_query(text).indices) == set(weigh_video(text, None).indices)
    assert weigh_query(text) == weigh_query(text)
