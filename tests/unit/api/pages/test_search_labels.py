from api.pages.search_form import SearchForm
from api.pages.search_labels import NO_LABELS, Option, describe_filters
from api.pages.wording import language_code, language_name
from retrieval.index.reading import Label
from retrieval.search.searcher import CatalogueLabels

LABELS = CatalogueLabels((Label("Oven", 1204), Label("Another", 3)), (Label("en", 9), Label("de-AT", 1)))


def test_lists_are_by_name_with_counts() -> None:
    filters = describe_filters(LABELS, SearchForm(channel="Oven"))
    assert filters.channels == (
        Option("Another", "Another (3)", is_chosen=False),
        Option("Oven", "Oven (1,204)", is_chosen=True),
    )
    assert [option.label for option in filters.languages] == ["English (9)", "German (de-AT) (1)"]


def test_the_mode_that_is_asked_for_is_chosen() -> None:
    filters = describe_filters(NO_LABELS, SearchForm(mode="lexical"))
    assert [option.value for option in filters.modes if option.is_chosen] == ["lexical"]
    assert [option.label for option in filters.modes] == ["Meaning and words", "Meaning", "Words"]


def test_what_is_asked_for_and_nowhere_is_in_the_list() -> None:
    filters = describe_filters(NO_LABELS, SearchForm(channel="Gone", language="xx"))
    assert filters.channels == (Option("Gone", "Gone", is_chosen=True),)
    assert filters.languages == (Option("xx", "xx", is_chosen=True),)


def test_languages() -> None:
    assert [language_code(tag) for tag in ("en", "EN-us", "nb", "xx", "", None, "eng")] == [
        *("en", "en", "nb", None, None, None, None)
    ]
    assert language_name("zu") == "Zulu"
    assert language_name("nb") == "Norwegian Bokm\u00e5l"
    assert language_name("klingon") == "klingon"
