from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.testing import TestClient

from api.app import create_app
from api.settings import ApiSettings
from retrieval.search.searcher import Searcher
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import EchoSearcher

SETTINGS = ApiSettings(search=SearchSettings())


def test_opens_at_the_start_and_closes_at_the_end() -> None:
    events: list[object] = []

    @asynccontextmanager
    async def open_search(settings: ApiSettings) -> AsyncIterator[Searcher]:
        events.append(settings)
        yield EchoSearcher()
        events.append("closed")

    app = create_app(SETTINGS, open_search=open_search)
    assert events == []
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/search?query=x").status_code == 200
            assert events == [SETTINGS]
        assert events == [SETTINGS, "closed"]
        events.clear()
