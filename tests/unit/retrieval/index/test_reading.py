"""The calls that the read side makes, of which a server charges each as a round trip."""

from typing import Any

import msgspec
import pytest

from retrieval.index.driver import PointFilter
from retrieval.index.reading import SearchFilter, VideoIndex
from tests.support.embedded_videos import asking, manifest_of, vector

pytestmark = pytest.mark.anyio

QUERY, WORDS = vector(0, 0), asking("zebra")


class RecordingDriver:
    """Finds one video, and records the calls and their filters."""

    is_remote = True

    def __init__(self) -> None:
        self.calls: list[tuple[str, PointFilter | None]] = []

    async def search(self, *_: object, where: PointFilter | None = None, **__: object) -> dict[str, float]:
        self.calls.append(("search", where))
        return {"a": 1.0}

    async def facet(self, *_: object, **__: object) -> list[tuple[str, int]]:
        self.calls.append(("facet", None))
        return [("en", 3), ("de", 2), ("en-GB", 1)]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is called")


@pytest.fixture
def driver() -> RecordingDriver:
    return RecordingDriver()


async def test_the_languages_of_a_finished_version_are_read_once(driver: RecordingDriver) -> None:
    index = VideoIndex(driver, manifest_of(()))
    for language, tags in (("EN", ["EN", "en", "en-GB"]), ("de", ["de"]), ("fr", ["fr"])):
        await index.matching_videos(WORDS, limit=5, where=SearchFilter(language=language))
        assert driver.calls[-1] == ("search", PointFilter((("language", tags),)))
    assert [name for name, _ in driver.calls] == ["facet", "search", "search", "search"]


async def test_the_languages_of_a_version_that_a_run_writes_are_read_every_time(
    driver: RecordingDriver,
) -> None:
    index = VideoIndex(driver, msgspec.structs.replace(manifest_of(()), is_partial=True))
    for _ in range(2):
        await index.nearest_by_passage(QUERY, limit=5, where=SearchFilter(language="en"))
    assert [name for name, _ in driver.calls] == ["facet", "search", "facet", "search"]
