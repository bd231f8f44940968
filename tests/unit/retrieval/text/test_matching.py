import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text.lexical import weigh_query
from retrieval.text.matching import _WORD, ELLIPSIS, Piece, quote, split_matches, without

TEXTS = st.text(max_size=400) | st.lists(
    st.sampled_from(
        ["telescope", "Telescopes", "mirror.", "the", "a\u0301", "\u05e9\u05dc\u05d5\u05dd", "  "]
    )
).map(" ".join)
QUERIES = st.sampled_from(["telescope mirror", "the", "", "\u05e9\u05dc\u05d5\u05dd"]) | st.text(max_size=20)


def highlighted(pieces: tuple[Piece, ...]) -> list[str]:
    return [piece.text for piece in pieces if piece.matches]


def joined(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Two planets, one Planet", "planet", ["planets", "Planet"]),
        ("Baking bread bakes", "how to bake", ["Baking", "bakes"]),
        ("The end of the road", "the", []),
        ("It's self-driving_cars", "drive a car", ["driving", "cars"]),
        ("caf\u00e9 and Stra\u00dfe", "CAF\u00c9", ["caf\u00e9"]),
        (
            "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
            "\u05e9\u05dc\u05d5\u05dd",
            ["\u05e9\u05dc\u05d5\u05dd"],
        ),
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e",
            "\u092d\u093e\u0937\u093e",
            ["\u092d\u093e\u0937\u093e"],
        ),
        ("nothing here", "", []),
        ("x" * 65, "x" * 65, []),
    ],
)
def test_matching_words_are_highlighted(text: str, query: str, expected: list[str]) -> None:
    assert highlighted(split_matches(text, query)) == expected


@given(TEXTS, QUERIES)
def test_the_pieces_add_up_to_the_text(text: str, query: str) -> None:
    pieces = split_matches(text, query)
    assert joined(pieces) == text
    assert all(piece.text for piece in pieces)


@given(st.text(st.characters(max_codepoint=0x24F), max_size=200))
def test_words_are_split_like_the_tokenizer_splits_them(text: str) -> None:
    indices = {index for word in _WORD.findall(text) for index in weigh_query(word).indices}
    assert indices == set(weigh_query(text).indices)


@given(TEXTS, QUERIES, st.integers(80, 200))
def test_a_quote_is_a_short_part_of_the_text(text: str, query: str, longest: int) -> None:
    text_of_quote = joined(quote(text, query, longest=longest))
    assert len(text_of_quote) <= longest + 4
    assert text_of_quote.removeprefix(f"{ELLIPSIS} ").removesuffix(f" {ELLIPSIS}") in text


def test_a_quote_contains_most_of_the_words() -> None:
    filling = "This says nothing of it at all, and goes on for a while. " * 4
    text = f"{filling}A mirror. {filling}The mirror of the telescope cools. {filling}"
    text_of_quote = joined(quote(text, "telescope mirror", longest=160))
    assert text_of_quote.startswith(f"{ELLIPSIS} ")
    assert "The mirror of the telescope cools." in text_of_quote
    assert text_of_quote.endswith(f" {ELLIPSIS}")


def test_a_quote_starts_with_a_sentence_if_one_is_near() -> None:
    text = "Words before it. " * 20 + "Here is the mirror. " + "Words after it. " * 20
    assert joined(quote(text, "mirror", longest=120)).startswith(f"{ELLIPSIS} Words before it. ")


def test_a_quote_without_a_match_is_the_start_of_the_text() -> None:
    text_of_quote = quote("one two three " * 40, "zebra", longest=100)
    assert joined(text_of_quote).startswith(f"{ELLIPSIS} one two three")
    assert text_of_quote[-1] == Piece(f" {ELLIPSIS}")
    assert len(joined(text_of_quote)) <= 104


def test_the_quote_of_a_passage_that_starts_within_a_sentence_starts_with_the_next_one() -> None:
    text = "and rolls it off. The mirror is next. " + "It takes a while. " * 20
    assert joined(quote(text, "mirror", longest=120)).startswith(f"{ELLIPSIS} The mirror is next.")
    text = "and the mirror goes on without an end " * 10
    assert joined(quote(text, "mirror", longest=120)).startswith(f"{ELLIPSIS} and the mirror")


@pytest.mark.parametrize(
    ("text", "shown", "rest"),
    [
        ("a b c d", "", "a b c d"),
        ("a b c d", "x", "a b c d"),
        ("a b c d", "a b", "c d"),
        ("a b c d", "c d", "a b"),
        ("a b c d e", "b", "c d e"),
        ("a b", "a b", ""),
    ],
)
def test_without_removes_the_part_that_is_already_shown(text: str, shown: str, rest: str) -> None:
    assert without(text, shown) == rest
