from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.search_form import LAST_OFFSET, SearchForm, day_after
from api.wire.errors import EmptyQueryError, InvalidParameterError
from retrieval.index.reading import NO_FILTER
from retrieval.search.ranking import RANKED_VIDEOS


def test_empty_fields_mean_nothing() -> None:
    form = SearchForm(query=" x ")
    request = form.to_request()
    assert (request.text, request.mode, request.where) == ("x", "hybrid", NO_FILTER)
    assert (request.limit, request.offset, request.moments) == (11, 0, 3)
    assert (form.asks, form.filters) == (True, 0)


def test_the_last_day_counts() -> None:
    where = (
        SearchForm(query="x", published_after="2024-05-31", published_before="2024-05-31").to_request().where
    )
    assert where.published_after == datetime(2024, 5, 31, tzinfo=UTC)
    assert where.published_before == datetime(2024, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_day", "after"),
    [
        ("2024-02-28", "2024-02-29"),
        ("2023-12-31", "2024-01-01"),
        ("9999-12-31", "9999-12-31"),
        ("2024-05-31T12:00:00Z", "2024-05-31T12:00:00Z"),
        ("", ""),
        ("yesterday", "yesterday"),
    ],
)
def test_the_day_after(given_day: str, after: str) -> None:
    assert day_after(given_day) == after


def test_what_the_api_refuses_is_refused() -> None:
    with pytest.raises(EmptyQueryError):
        SearchForm().to_request()
    with pytest.raises(InvalidParameterError):
        SearchForm(query="x", published_before="yesterday").to_request()
    with pytest.raises(InvalidParameterError):
        SearchForm(query="x", channel=" ").to_request()


def test_the_last_page_is_the_last_that_is_ranked() -> None:
    request = SearchForm(query="x", offset=LAST_OFFSET).to_request()
    assert request.offset + request.limit == RANKED_VIDEOS


def test_an_address_says_what_is_not_usual() -> None:
    form = SearchForm(query="caf\u00e9 & more", mode="lexical", channel="A/B", offset=10)
    assert form.address() == "/app/search?query=caf%C3%A9%20%26%20more&mode=lexical&channel=A%2FB&offset=10"
    assert form.address(offset=0, mode="hybrid") == "/app/search?query=caf%C3%A9%20%26%20more&channel=A%2FB"
    assert form.without_filters == "/app/search?query=caf%C3%A9%20%26%20more"
    assert SearchForm().address() == "/app/search"
    assert form.filters == 2


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_a_video_s_address_is_one_segment(video_id: str) -> None:
    path = SearchForm().video_address(video_id).removeprefix("/app/videos/")
    assert "/" not in path
    assert "?" not in path
    assert SearchForm(query="x").video_address("a/b") == "/app/videos/a%2Fb?query=x"
