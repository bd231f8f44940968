import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.access.keys import SCOPES, make_key
from api.access.settings import AccessSettings
from api.app import create_app
from api.observability.metrics import Metrics
from api.observability.readiness import Readiness
from api.observability.scraping import scrape as write_metrics
from api.settings import ApiSettings
from retrieval.background import background_task
from retrieval.declared_setting import SettingsError
from retrieval.errors import IndexUnavailableError
from retrieval.search.searcher import Searcher
from retrieval.settings import SearchSettings
from tests.support.scrapes import Scrape
from tests.support.waiting import until
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import EchoSearcher, RaisingSearcher, opens

pytestmark = pytest.mark.anyio


def scraped(response: httpx.Response) -> Scrape:
    assert response.status_code == 200
    return Scrape(response.text)


@asynccontextmanager
async def scraping(searcher: Searcher) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
    readiness = Readiness(searcher, asyncio.Event())
    async with background_task(readiness.keep_current(), "canary searches"):
        yield partial(write_metrics, Metrics(), searcher, readiness)


async def scrape(scraper: Callable[[], Awaitable[bytes]]) -> Scrape:
    return Scrape((await scraper()).decode())


def test_the_format_is_prometheus_text_and_it_is_never_stored(client: TestClient[Litestar]) -> None:
    response = client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert scraped(response).families["vidsearch_build_info"]


def test_works_without_an_index(serve: Serve) -> None:
    found = scraped(serve(RaisingSearcher()).get("/metrics"))
    assert found.value("vidsearch_index_videos") is None
    assert found.value("vidsearch_last_ingest_outcome", outcome="published") == 1


async def test_the_next_scrape_has_the_result_of_the_canary_search_that_this_one_starts() -> None:
    searcher = EchoSearcher()
    async with scraping(searcher) as scraper:
        assert (await scrape(scraper)).value("vidsearch_ready") is None
        await until(lambda: searcher.checks)
        assert (await scrape(scraper)).value("vidsearch_ready") == 1


async def test_a_scrape_does_not_wait_for_a_canary_search_that_hangs() -> None:
    class HangingSearcher(EchoSearcher):
        async def check(self) -> None:
            self.checks += 1
            await asyncio.sleep(60)

    searcher = HangingSearcher()
    async with scraping(searcher) as scraper, asyncio.timeout(0.4):
        for _ in range(3):
            await scrape(scraper)
            await asyncio.sleep(0)
        assert searcher.checks == 1


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (IndexUnavailableError("none"), ["Not ready: none"]),
        (ZeroDivisionError(), ["Not ready: The canary search failed."]),
    ],
)
async def test_a_scrape_works_if_the_canary_search_fails(
    error: Exception, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenSearcher(EchoSearcher):
        async def check(self) -> None:
            self.checks += 1
            raise error

    async with scraping(BrokenSearcher()) as scraper:
        await scrape(scraper)
        await until(lambda: caplog.records)
        for _ in range(3):
            found = await scrape(scraper)
            assert found.value("vidsearch_index_videos") == 3
            assert found.value("vidsearch_ready") == 0
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == logged


KEYS = {scope: make_key(scope, [scope], datetime.now(UTC)) for scope in SCOPES}


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_its_own_port_needs_a_key_unless_it_is_on_a_loopback_address(host: str) -> None:
    access = AccessSettings(keys=tuple(stored for _, stored in KEYS.values()))
    settings = ApiSettings(search=SearchSettings(), access=access, metrics_port=9464, metrics_host=host)
    app = create_app(settings, open_search=opens(EchoSearcher()))
    with TestClient(app), TestClient(app.state.metrics_app) as own:
        is_local = host == "127.0.0.1"
        assert own.get("/metrics").status_code == (200 if is_local else 401)
        for scope, (key, _) in KEYS.items():
            response = own.get("/metrics", headers={"authorization": f"Bearer {key}"})
            assert response.status_code == (403 if scope == "search" and not is_local else 200)


def test_a_public_metrics_port_does_not_start_without_a_key() -> None:
    settings = ApiSettings(search=SearchSettings(), metrics_port=9464, metrics_host="0.0.0.0")  # noqa: S104
    with pytest.RaisesGroup(SettingsError, flatten_subgroups=True, allow_unwrapped=True) as refused:
        TestClient(create_app(settings, open_search=opens(EchoSearcher()))).__enter__()
    assert "METRICS_HOST" in repr(refused.value)
    for safe in (
        # Without a port of its own, METRICS_HOST has no effect.
        msgspec.structs.replace(settings, metrics_port=None),
        msgspec.structs.replace(settings, access=AccessSettings(open=True)),
    ):
        with TestClient(create_app(safe, open_search=opens(EchoSearcher()))) as client:
            assert client.get("/livez").status_code == 200
