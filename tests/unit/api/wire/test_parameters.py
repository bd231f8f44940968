from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.wire.errors import EmptyQueryError, InvalidParameterError, QueryTooLongError, RequestError
from api.wire.parameters import check_query, plain_rule, to_request
from api.wire.schemas import SearchParameters
from retrieval.index.reading import NO_FILTER


def test_a_query_is_stripped() -> None:
    assert check_query("\u00a0 why\u2003\n") == "why"


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u2003"])
def test_refuses_a_blank_query(text: str) -> None:
    with pytest.raises(EmptyQueryError):
        check_query(text)


@pytest.mark.parametrize("text", ["\x00", "a\x00", "\ud800", "a\udfffb"])
def test_refuses_half_of_a_surrogate_pair(text: str) -> None:
    with pytest.raises(InvalidParameterError):
        check_query(text)


def test_refuses_a_long_query_by_characters_not_bytes() -> None:
    assert len(check_query("\U0001f3ac" * 2000)) == 2000
    with pytest.raises(QueryTooLongError, match="2,000"):
        check_query("x" * 2001)


@given(st.text())
def test_no_error_contains_the_query(text: str) -> None:
    try:
        told = check_query(text)
    except RequestError as error:
        told = str(error)
    # Short texts are in any sentence.
    assert told == text.strip() or len(text) < 8 or text not in told


def test_no_filter_is_the_shared_one() -> None:
    assert to_request(SearchParameters(query="x")).where is NO_FILTER


@given(st.text(max_size=30))
def test_a_time_is_read_or_refused(text: str) -> None:
    try:
        request = to_request(SearchParameters(query="x", published_after=text))
    except InvalidParameterError:
        return
    assert request.where.published_after is not None
    assert request.where.published_after.tzinfo is UTC


def test_an_error_has_the_prefix_of_the_parameter() -> None:
    with pytest.raises(EmptyQueryError, match=r"^requests\[3\]\.query: "):
        to_request(SearchParameters(query=""), "requests[3].")


def test_a_rule_does_not_quote_the_value() -> None:
    assert plain_rule("Invalid enum value 'secret'") == "is none of hybrid, semantic, lexical."
    assert plain_rule("Expected `int` <= 50") == "expected `int` <= 50."
