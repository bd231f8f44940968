import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.search_form import LAST_OFFSET, NO_LABELS, Option, SearchForm, day_after, list_filters
from retrieval.index.hits import Label
from retrieval.search.ranking import RANKED_VIDEOS
from retrieval.search.results import CatalogueLabels

LABELS = CatalogueLabels((Label("Oven", 1204), Label("Another", 3)), (Label("en", 9), Label("de-AT", 1)))


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


def test_the_last_page_ends_with_the_last_ranked_video() -> None:
    request = SearchForm(query="x", offset=LAST_OFFSET).to_request()
    assert request.offset + request.limit == RANKED_VIDEOS


def test_an_address_leaves_out_default_values() -> None:
    form = SearchForm(query="caf\u00e9 & more", mode="lexical", channel="A/B", offset=10)
    assert form.address() == "/app/search?query=caf%C3%A9%20%26%20more&mode=lexical&channel=A%2FB&offset=10"
    assert form.address(offset=0, mode="hybrid") == "/app/search?query=caf%C3%A9%20%26%20more&channel=A%2FB"
    assert form.address_without_filters == "/app/search?query=caf%C3%A9%20%26%20more"
    assert SearchForm().address() == "/app/search"
    assert form.active_filters == 2


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_a_video_id_is_one_path_segment(video_id: str) -> None:
    path = SearchForm().video_address(video_id).removeprefix("/app/videos/")
    assert "/" not in path
    assert "?" not in path
    assert SearchForm(query="x").video_address("a/b") == "/app/videos/a%2Fb?query=x"


def test_lists_are_sorted_by_name_and_show_counts() -> None:
    filters = list_filters(LABELS, SearchForm(channel="Oven"))
    assert filters.channels == (
        Option("Another", "Another (3)", is_chosen=False),
        Option("Oven", "Oven (1,204)", is_chosen=True),
    )
    assert [option.label for option in filters.languages] == ["English (9)", "German (de-AT) (1)"]


def test_the_mode_of_the_search_is_chosen() -> None:
    filters = list_filters(NO_LABELS, SearchForm(mode="lexical"))
    assert [option.value for option in filters.modes if option.is_chosen] == ["lexical"]
    assert [option.label for option in filters.modes] == ["Meaning and words", "Meaning", "Words"]
