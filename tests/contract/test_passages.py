"""Every engine finds passages, moments and words in the same way."""

from uuid import UUID

import pytest

from retrieval.index.hits import Moment, PassageHit
from retrieval.index.reading import VideoIndex
from tests.support.embedded_videos import NO_WORDS, asking, embedded, passage
from tests.support.engines import Engine
from tests.support.index_contract import ORIGIN

pytestmark = pytest.mark.anyio


async def test_passages_come_nearest_first_with_their_relevance(engine: Engine) -> None:
    parts = [
        passage((3, 0, 0, 0), "a cat sleeps"),
        passage((1, 0, 0, 0), "a dog barks"),
        passage((2, 0, 0, 0), "cats chase a cat"),
    ]
    other = embedded("b", (0, 0, 0, 0), passages=[passage((5, 0, 0, 0), "a bird sings")])
    index = await engine.build([embedded("a", (0, 0, 0, 0), passages=parts), other])
    found = await index.passages_of(ORIGIN, asking("cat"), ["b", "a", "absent"], among=10)
    assert set(found) == {"a", "b"}
    assert [hit.distance for hit in found["a"]] == [1.0, 2.0, 3.0]
    dog, cats, cat = (hit.relevance for hit in found["a"])
    assert dog == 0
    assert cats > cat > 0
    assert [(hit.distance, hit.relevance) for hit in found["b"]] == [(5.0, 0.0)]
    wordless = await index.passages_of(ORIGIN, NO_WORDS, ["a"], among=2)
    assert [(hit.distance, hit.relevance) for hit in wordless["a"]] == [(1.0, 0.0), (2.0, 0.0)]
    assert await index.passages_of(ORIGIN, asking("cat"), [], among=2) == {}
    best = await index.passage_relevance_of(asking("cat"), ["b", "a", "absent"])
    assert best == pytest.approx({"a": cats})
    assert await index.passage_relevance_of(NO_WORDS, ["a"]) == {}
    assert await index.passage_relevance_of(asking("cat"), []) == {}


async def test_passages_that_share_words_come_most_relevant_first(engine: Engine) -> None:
    parts = [
        passage((3, 0, 0, 0), "a cat sleeps"),
        passage((1, 0, 0, 0), "a dog barks"),
        passage((2, 0, 0, 0), "cats chase a cat"),
    ]
    others = [
        embedded("b", (0, 0, 0, 0), passages=[passage((5, 0, 0, 0), "a bird sings")]),
        embedded("c", (0, 0, 0, 0), passages=[passage((6, 0, 0, 0), "a cat")]),
    ]
    index = await engine.build([embedded("a", (0, 0, 0, 0), passages=parts), *others])
    asked = ["b", "a", "c", "absent"]
    found = await index.matching_passages(asking("cat"), asked, limit=10)
    assert set(found) == {"a", "c"}
    cats, cat = found["a"]
    assert cats.relevance > cat.relevance > 0
    assert (cats.distance, cat.distance) == (None, None)
    assert (await index.moments([cats]))[cats.passage_id] == Moment(None, None, "cats chase a cat", None)
    assert await index.matching_passages(asking("cat"), ["a"], limit=1) == {"a": [cats]}
    measured = await index.matching_passages(asking("cat"), asked, limit=10, query=ORIGIN)
    assert {name: [hit.distance for hit in hits] for name, hits in measured.items()} == {
        "a": [2.0, 3.0],
        "c": [6.0],
    }
    assert [hit.relevance for hit in measured["a"]] == [cats.relevance, cat.relevance]
    assert await index.matching_passages(NO_WORDS, ["a"], limit=2) == {}
    assert await index.matching_passages(asking("unheard"), ["a"], limit=2, query=ORIGIN) == {}
    assert await index.matching_passages(asking("cat"), [], limit=2, query=ORIGIN) == {}


async def test_moments_have_texts_and_times_and_leave_out_missing_passages(engine: Engine) -> None:
    parts = [
        passage((0, 0, 0, 0), "first 猫", start=0.0, end=1.5),
        passage((1, 0, 0, 0), "no times"),
        passage((2, 0, 0, 0), "last", start=3661.25, end=3662.0),
    ]
    silent = embedded("silent", (0, 0, 0, 0), passages=[passage((0, 0, 0, 3), None)])
    index = await engine.build([embedded("a", (0, 0, 0, 0), passages=parts), silent])
    found = await index.passages_of(ORIGIN, NO_WORDS, ["a", "silent"], among=10)
    first, second, third = found["a"]
    (nothing,) = found["silent"]
    gone = PassageHit(UUID(int=1), 1.0, 0.0)
    assert await index.moments([third, gone, second, nothing, first, first]) == {
        first.passage_id: Moment(0.0, 1.5, "first 猫", 0.0),
        second.passage_id: Moment(None, None, "no times", 1.0),
        third.passage_id: Moment(3661.25, 3662.0, "last", 2.0),
        nothing.passage_id: Moment(None, None, None, 3.0),
    }


@pytest.fixture
async def library(engine: Engine) -> VideoIndex:
    said = {
        "rare": "zebra among many other words that follow one another without saying anything",
        "common": "talk talk talk talk talk",
        "both": "zebra zebra zebra talk",
        "neither": "silence",
        **{f"more {n}": "talk" for n in range(10)},
    }
    return await engine.build([embedded(name, (0, 0, 0, 0), text=text) for name, text in said.items()])


async def test_matching_videos_share_words_and_rare_words_count_more(library: VideoIndex) -> None:
    found = await library.matching_videos(asking("zebras talking"), limit=50)
    assert "neither" not in found
    assert len(found) == 13
    assert all(relevance > 0 for relevance in found.values())
    assert found["both"] > found["rare"] > found["common"]
    # A rare word said once outweighs a common word said often, by inverse document frequency.
    best = await library.matching_videos(asking("zebra talk"), limit=2)
    assert set(best) == {"both", "rare"}
    assert await library.matching_videos(asking("unheard of"), limit=5) == {}
    assert asking("the of") == NO_WORDS
    assert await library.matching_videos(NO_WORDS, limit=5) == {}


async def test_relevance_does_not_depend_on_the_other_videos_of_the_call(library: VideoIndex) -> None:
    words = asking("zebra talk")
    found = await library.matching_videos(words, limit=50)
    everyone = [*found, "neither", "absent"]
    assert await library.relevance_of(words, everyone) == pytest.approx(found)
    assert await library.relevance_of(words, ["rare", "neither"]) == pytest.approx({"rare": found["rare"]})
    assert await library.relevance_of(words, ["neither", "absent"]) == {}
    assert await library.relevance_of(words, []) == {}
    assert await library.relevance_of(NO_WORDS, everyone) == {}
