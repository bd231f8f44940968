from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from api.wire.errors import InvalidParameterError, RequestError
from api.wire.parameters import check_query, plain_rule, to_request
from api.wire.schemas import SearchParameters


@given(st.text())
def test_no_error_contains_the_query(text: str) -> None:
    try:
        told = check_query(text)
    except RequestError as error:
        told = str(error)
    # Short texts are in any sentence.
    assert told == text.strip() or len(text) < 8 or text not in told


@given(st.text(max_size=30))
def test_a_time_is_read_or_refused(text: str) -> None:
    try:
        request = to_request(SearchParameters(query="x", published_after=text))
    except InvalidParameterError:
        return
    assert request.where.published_after is not None
    assert request.where.published_after.tzinfo is UTC


def test_a_rule_does_not_quote_the_value() -> None:
    assert plain_rule("Invalid enum value 'secret'") == "is none of hybrid, semantic, lexical."
    assert plain_rule("Expected `int` <= 50") == "expected `int` <= 50."
