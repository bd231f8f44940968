import pytest

from retrieval.catalogue.languages import language_rank, matches_language


@pytest.mark.parametrize(
    ("language", "wanted", "matches"),
    [
        ("en", "en", True),
        ("en-GB", "en", True),
        ("EN_gb", "en", True),
        ("en-gb", "en_GB", True),
        (" en ", "EN", True),
        ("en", "en-GB", False),
        ("en-US", "en-GB", False),
        ("eng", "en", False),
        ("de", "en", False),
        ("zh-Hans-CN", "zh-hans", True),
    ],
)
def test_a_language_matches_itself_and_its_variants(language: str, wanted: str, matches: bool) -> None:  # noqa: FBT001
    assert matches_language(language, wanted) is matches


@pytest.mark.parametrize(
    ("available", "wanted", "chosen"),
    [
        (["de", "en"], ["en"], "en"),
        (["de", "en"], ["en-GB"], "en"),
        (["de", "en-GB"], ["en"], "en-GB"),
        (["de", "en-GB"], ["EN-gb"], "en-GB"),
        (["de", "en-GB"], ["en_GB"], "en-GB"),
        (["de", "en_gb"], ["en-GB"], "en_gb"),
        (["de", "en-US"], ["en-GB"], "en-US"),
        (["en-US", "en"], ["en-GB"], "en"),
        (["de", "en"], ["en-GB", "de"], "en"),
        (["en-US", "de"], ["en-GB", "de"], "de"),
        (["en", "de"], ["de", "en"], "de"),
        (["eng", "de"], ["en", "de"], "de"),
        (["zh-Hant", "zh-Hans"], ["zh-hans"], "zh-Hans"),
    ],
)
def test_the_best_available_language_has_the_lowest_rank(
    available: list[str], wanted: list[str], chosen: str
) -> None:
    assert min(available, key=lambda language: language_rank(language, wanted)) == chosen


def test_the_spoken_language_comes_after_the_wanted_ones_and_before_others() -> None:
    assert language_rank("fr", ["en"], "fr-CA") < language_rank("de", ["en"], "fr-CA")
    assert language_rank(None, ["en"], "fr") == language_rank("fr", ["en"], "fr")
    assert language_rank(None, ["en"], "en-GB") == 0
    assert language_rank(None, ["en"]) < language_rank("de", ["en"])
