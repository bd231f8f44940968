from datetime import timedelta

import msgspec
import pytest

from api.pages.search_view import describe_index
from retrieval.catalogue.manifest import IndexCounts
from tests.unit.api.fakes import MANIFEST

NOW = MANIFEST.built_at + timedelta(hours=3)


def test_says_what_there_is_and_how_fresh() -> None:
    manifest = msgspec.structs.replace(MANIFEST, canaries=("Q & A", "x" * 100))
    start = describe_index(manifest, NOW, shows_titles=True)
    assert start is not None
    assert start.counts == (
        "3 videos",
        "7 passages",
        "67% with a transcript",
        "brought up to date 3 hours ago",
    )
    assert [(example.text, example.address) for example in start.examples] == [
        ("Q & A", "/app/search?query=Q%20%26%20A")
    ]


def test_says_no_titles_to_everybody_where_there_are_keys() -> None:
    manifest = msgspec.structs.replace(MANIFEST, canaries=("A title",))
    start = describe_index(manifest, NOW, shows_titles=False)
    assert start is not None
    assert start.examples == ()


@pytest.mark.parametrize(
    ("transcribed", "told"), [(0, "0%"), (1, "<1%"), (500, "50%"), (999, ">99%"), (1000, "100%")]
)
def test_only_all_is_all(transcribed: int, told: str) -> None:
    counts = IndexCounts(videos=1000, passages=1, videos_with_transcript=transcribed)
    start = describe_index(msgspec.structs.replace(MANIFEST, counts=counts), NOW, shows_titles=True)
    assert start is not None
    assert start.counts[2] == f"{told} with a transcript"


def test_without_an_index_there_is_nothing_to_say() -> None:
    assert describe_index(None, NOW, shows_titles=True) is None
