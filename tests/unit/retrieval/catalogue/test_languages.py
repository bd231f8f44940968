import pytest

from retrieval.catalogue.languages import matches_language


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [("en", "en"), ("en-GB", "en"), ("en-gb", "EN"), ("en_GB", "en-gb"), ("zh-Hant-TW", "zh-hant"), ("", "")],
)
def test_a_language_matches_itself_and_its_variants_in_any_case(tag: str, wanted: str) -> None:
    assert matches_language(tag, wanted)


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [("en", "en-GB"), ("eng", "en"), ("de", "en"), ("en-US", "en-GB"), ("en", ""), ("", "en")],
)
def test_a_language_matches_no_other_language_and_no_wider_one(tag: str, wanted: str) -> None:
    assert not matches_language(tag, wanted)
