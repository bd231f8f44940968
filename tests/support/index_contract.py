"""What the contract tests share: the engines they run on, and short forms of common reads."""

from datetime import UTC, datetime

import pytest

from retrieval.catalogue.video import VideoRecord
from retrieval.index.hits import VideoHit
from retrieval.index.reading import VideoIndex
from tests.support.embedded_videos import NO_WORDS, vector
from tests.support.engines import NewEngine, client_emulation, embedded_engine, emulation_over_grpc

ENGINES: dict[str, NewEngine | None] = {
    "embedded": embedded_engine,
    "client-emulation": client_emulation,
    "client-emulation-over-grpc": emulation_over_grpc,
    "server-grpc": None,
    "server-rest": None,
}

# For tests that the wire makes seconds slower without checking more.
on_less_than_all = pytest.mark.parametrize(
    "new_engine", [name for name in ENGINES if "-over-" not in name], indirect=True
)

ORIGIN = vector(0, 0)
LAST_YEAR, THIS_YEAR = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)


def ids(hits: list[VideoHit]) -> list[str]:
    return [hit.video_id for hit in hits]


async def catalogue(index: VideoIndex) -> dict[str, VideoRecord]:
    page, cursor = await index.page(limit=1000)
    assert cursor is None
    return {record.video_id: record for record in page}


async def texts_of(index: VideoIndex, video_id: str) -> list[str | None]:
    """Read the text of each passage of a video, nearest to the origin first."""
    found = await index.passages_of(ORIGIN, NO_WORDS, [video_id], among=1000)
    hits = found.get(video_id, [])
    moments = await index.moments(hits)
    return [moments[hit.passage_id].text for hit in hits]
