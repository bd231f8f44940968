"""Every engine filters in the same way."""

from datetime import datetime, timedelta, timezone

import pytest

from retrieval.index.reading import NO_FILTER, SearchFilter, VideoIndex
from tests.support.embedded_videos import asking, embedded
from tests.support.engines import Engine
from tests.support.index_contract import LAST_YEAR, ORIGIN, THIS_YEAR, ids

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def dated(lasting_engine: Engine) -> VideoIndex:
    second = timedelta(seconds=1)
    shown: dict[str, dict[str, object]] = {
        "before": {"published_at": LAST_YEAR - second},
        "at": {"published_at": LAST_YEAR, "channel": "A", "language": "en"},
        "at, in another zone": {
            "published_at": LAST_YEAR.astimezone(timezone(timedelta(hours=-8))),
            "channel": "a",
        },
        "within": {"published_at": LAST_YEAR + second, "channel": "A", "language": "de"},
        "end": {"published_at": THIS_YEAR, "channel": "A B", "language": "en-GB"},
        "dateless": {"channel": "A"},
    }
    return await lasting_engine.build(
        [
            embedded(name, (n, 0, 0, 0), text=f"word {name}", **fields)
            for n, (name, fields) in enumerate(shown.items())
        ]
    )


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (NO_FILTER, {"before", "at", "at, in another zone", "within", "end", "dateless"}),
        (SearchFilter(published_after=LAST_YEAR), {"at", "at, in another zone", "within", "end"}),
        (SearchFilter(published_before=LAST_YEAR), {"before"}),
        (SearchFilter(published_before=THIS_YEAR), {"before", "at", "at, in another zone", "within"}),
        (
            SearchFilter(published_after=LAST_YEAR, published_before=THIS_YEAR),
            {"at", "at, in another zone", "within"},
        ),
        (SearchFilter(published_after=THIS_YEAR, published_before=LAST_YEAR), set()),
        (
            SearchFilter(published_after=datetime(2023, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))),
            {"at", "at, in another zone", "within", "end"},
        ),
        (SearchFilter(channel="A"), {"at", "within", "dateless"}),
        (SearchFilter(channel="A B"), {"end"}),
        (SearchFilter(channel="B"), set()),
        (SearchFilter(channel=""), set()),
        (SearchFilter(language="en"), {"at", "end"}),
        (SearchFilter(language="EN"), {"at", "end"}),
        (SearchFilter(language="EN-gb"), {"end"}),
        (SearchFilter(language="en_GB"), {"end"}),
        (SearchFilter(language="en-US"), set()),
        (SearchFilter(language="e"), set()),
        (SearchFilter(language=""), set()),
        (SearchFilter(channel="A", language="de"), {"within"}),
        (SearchFilter(channel="A", published_before=THIS_YEAR), {"at", "within"}),
    ],
)
async def test_a_filter_applies_to_both_kinds_of_search(
    dated: VideoIndex, where: SearchFilter, expected: set[str]
) -> None:
    assert set(ids(await dated.nearest_by_passage(ORIGIN, limit=50, where=where))) == expected
    assert set(await dated.matching_videos(asking("word"), limit=50, where=where)) == expected
