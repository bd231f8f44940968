"""The routes of the search page, on fake searchers."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.access.key_file import write_keys
from api.access.keys import make_key
from retrieval.catalogue.manifest import IndexCounts, Manifest
from retrieval.errors import (
    IncompatibleIndexError,
    IndexUnavailableError,
    OverloadedError,
    VideoNotFoundError,
)
from retrieval.search.results import SearchRequest, SearchResult
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import (
    MANIFEST,
    EchoSearcher,
    EmptySearcher,
    PinnedSearcher,
    RaisingSearcher,
    record,
)
from tests.unit.api.guarded import guarded

PRIVATE = "/home/someone/.data of zebra"


def headline(text: str) -> str:
    """Read the first heading of a page, without its tags."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.DOTALL)
    assert found
    return re.sub(r"<[^>]*>", "", found[1]).strip()


def test_a_search_and_its_form(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    response = client.get(
        "/app/search?query=fat+tails&mode=lexical&channel=Gone&language=en"
        "&published_after=2024-01-01&published_before=2024-12-31&offset=10"
    )
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.headers["cache-control"] == "private, no-cache"
    (request,) = searcher.requests
    assert (request.text, request.mode, request.offset, request.limit) == ("fat tails", "lexical", 10, 11)
    assert request.where.published_before == datetime(2025, 1, 1, tzinfo=UTC)
    assert headline(response.text) == "Results 11 to 20 for \u201cfat tails\u201d"
    assert '<option value="Gone" selected>Gone</option>' in response.text
    assert '<option value="en" selected>English (2)</option>' in response.text
    assert 'value="2024-12-31"' in response.text
    assert response.text.count('<article class="result"') == 10


def test_empty_fields_are_ignored(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    fields = "&channel=&language=&published_after=&published_before=&mode=hybrid"
    assert client.get(f"/app/search?query=x{fields}").status_code == 200
    assert searcher.requests == [SearchRequest(text="x", limit=11)]


@pytest.mark.parametrize("query", ["", "?query=", "?query=+%20"])
def test_without_a_query_it_is_the_start_page(
    client: TestClient[Litestar], searcher: EchoSearcher, query: str
) -> None:
    response = client.get(f"/app/search{query}")
    assert (response.status_code, headline(response.text)) == (200, "Find the moment")
    assert searcher.requests == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("query=" + "x" * 2001, "query-too-long"),
        ("query=zebra&limit=3", "unknown-parameter"),
        ("query=zebra&query=x", "invalid-parameter"),
        ("query=%ff", "invalid-parameter"),
        ("query=zebra&mode=psychic", "invalid-parameter"),
        ("query=zebra&offset=191", "invalid-parameter"),
        ("query=zebra&offset=-1", "invalid-parameter"),
        ("query=zebra&published_before=yesterday", "invalid-parameter"),
        ("query=zebra&channel=+", "invalid-parameter"),
    ],
)
def test_an_invalid_search_is_refused_with_a_page(
    client: TestClient[Litestar], searcher: EchoSearcher, query: str, code: str
) -> None:
    response = client.get(f"/app/search?{query}", headers={"x-request-id": "my-id"})
    assert (response.status_code, response.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert f'data-problem="{code}"' in response.text
    assert "my-id" in response.text
    assert "zebra" not in response.text
    assert searcher.requests == []


@pytest.mark.parametrize(
    "path", ["/app/search?query=zebra", "/app/videos/zebra?query=zebra", "/app/videos/zebra"]
)
@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (IndexUnavailableError(PRIVATE), 503, "index-unavailable", "5"),
        (IncompatibleIndexError(PRIVATE), 503, "index-unavailable", "5"),
        (OverloadedError(PRIVATE), 503, "overloaded", "1"),
        (RuntimeError(PRIVATE), 500, "internal-error", None),
    ],
)
def test_errors_have_the_status_of_the_problem_table(
    serve: Serve, path: str, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    response = serve(RaisingSearcher(error)).get(path)
    assert (response.status_code, response.headers.get("retry-after")) == (status, retry_after)
    assert f'data-problem="{code}"' in response.text
    assert (f'data-retry-after="{retry_after}"' in response.text) is (retry_after is not None)
    assert "zebra" not in response.text
    assert "someone" not in response.text


@pytest.mark.parametrize(
    ("query", "title", "detail"),
    [
        ("query=x&published_before=yesterday", "Check the dates", "\u201cPublished up to\u201d"),
        ("query=x&channel=+", "Check the search", "\u201cChannel\u201d"),
        ("query=" + "x" * 2001, "The question is too long", "2,000 characters at most"),
    ],
)
def test_an_error_names_the_fields_of_the_form(
    client: TestClient[Litestar], query: str, title: str, detail: str
) -> None:
    response = client.get(f"/app/search?{query}")
    assert headline(response.text) == title
    assert detail in response.text


def test_one_video_with_all_its_moments(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    response = client.get("/app/videos/a%2Fb?query=fat+tails")
    assert response.status_code == 200
    assert ("inside", "a/b", "fat tails", 20) in searcher.asked
    assert ("similar", "a/b", 6) in searcher.asked
    assert response.text.count('class="moment"') == 2
    assert '<a href="/app/videos/other?query=fat%20tails">' in response.text


def test_one_video_without_a_query(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    response = client.get("/app/videos/a")
    assert response.status_code == 200
    assert ("video", "a") in searcher.asked
    assert "data-announcement" in response.text


@pytest.mark.parametrize("path", ["/app", "/app/search?query=x", "/app/videos/a?query=x", "/app/videos/a"])
def test_a_page_takes_one_lease(serve: Serve, path: str) -> None:
    searcher = PinnedSearcher()
    response = serve(searcher).get(path)
    assert (response.status_code, searcher.leases) == (200, 1)
    assert "There is no index" not in response.text


def test_an_unknown_video(serve: Serve) -> None:
    response = serve(RaisingSearcher(VideoNotFoundError(PRIVATE))).get("/app/videos/zebra")
    assert (response.status_code, headline(response.text)) == (404, "Video not found")


def test_no_results(serve: Serve) -> None:
    client = serve(EmptySearcher())
    text = client.get("/app/search?query=x&mode=lexical&channel=A").text
    assert headline(text) == "No results for \u201cx\u201d"
    assert 'href="/app/search?query=x"' in text
    assert 'href="/app/search?query=x&amp;channel=A"' in text
    assert headline(client.get("/app/search?query=x&offset=20").text) == "No more results"


def test_a_degraded_search_is_labelled(serve: Serve) -> None:
    class Degraded(EchoSearcher):
        async def search(self, request: SearchRequest) -> SearchResult:
            return msgspec.structs.replace(await super().search(request), is_degraded=True)

    assert "match words only" in serve(Degraded()).get("/app/search?query=x").text


def test_without_videos_the_start_page_shows_the_command_to_run(serve: Serve) -> None:
    class Bare(EchoSearcher):
        async def manifest(self) -> Manifest:
            return msgspec.structs.replace(MANIFEST, counts=IndexCounts(0, 0, 0))

    for searcher, title in (
        (RaisingSearcher(IndexUnavailableError(PRIVATE)), "There is no index yet"),
        (Bare(), "The index is empty"),
    ):
        response = serve(searcher).get("/app")
        assert (response.status_code, headline(response.text)) == (200, title)
        assert "python -m ingest sync SOURCE" in response.text


def test_every_value_is_escaped(serve: Serve) -> None:
    attack = "\"'><script>alert(1)</script>"

    class Hostile(EchoSearcher):
        async def search(self, request: SearchRequest) -> SearchResult:
            found = await super().search(request)
            video = msgspec.structs.replace(
                found.videos[0],
                record=msgspec.structs.replace(record(attack, attack), channel=attack, url=attack),
            )
            return msgspec.structs.replace(found, videos=(video,))

    page = serve(Hostile()).get("/app/search", params={"query": attack, "channel": attack}).text
    assert "<script>alert" not in page
    assert page.count("<script") == 1


def test_with_keys_the_start_page_shows_nothing_of_the_catalogue(tmp_path: Path) -> None:
    key, stored = make_key("website", ["search"], datetime.now(UTC))
    write_keys(tmp_path / "keys.json", (stored,))
    with guarded(keys_file=tmp_path / "keys.json") as client:
        start = client.get("/app")
        assert "A channel" not in start.text
        refused = client.get("/app/search?query=x")
        assert (refused.status_code, headline(refused.text)) == (401, "Key required")
        assert refused.headers["www-authenticate"] == 'Bearer realm="vidsearch"'
        response = client.get("/app/search", headers={"x-api-key": key})
        assert response.status_code == 200
        assert "A channel" in response.text
        assert response.headers["cache-control"] == "private, no-cache"
