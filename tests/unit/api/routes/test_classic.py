import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api import __version__
from retrieval.catalogue.video import VideoRecord
from retrieval.errors import IndexUnavailableError, OverloadedError
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import VERSION, EchoSearcher, EmptySearcher, RaisingSearcher


def test_root(client: TestClient[Litestar]) -> None:
    assert client.get("/").json() == {"health_check": "OK"}


def test_root_answers_head(client: TestClient[Litestar]) -> None:
    response = client.head("/")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(b'{"health_check":"OK"}'))


BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_root_shows_a_browser_the_search_page(client: TestClient[Litestar]) -> None:
    response = client.get("/", headers=BROWSER)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.headers.get_list("vary") == ["Accept"]
    assert response.text == client.get("/app").text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/json, text/html"])
def test_root_is_json_for_every_other_client(client: TestClient[Litestar], accept: str) -> None:
    response = client.get("/", headers={"accept": accept})
    assert response.content == b'{"health_check":"OK"}'
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get_list("vary") == ["Accept"]
    assert client.head("/", headers=BROWSER).headers["content-type"] == "application/json"


def test_root_sends_a_browser_an_error_page(serve: Serve) -> None:
    client = serve(RaisingSearcher(OverloadedError("full")))
    response = client.get("/", headers=BROWSER)
    assert (response.status_code, response.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert client.get("/").status_code == 200


def test_info(client: TestClient[Litestar]) -> None:
    info = client.get("/info").json()
    assert info.pop("description")
    assert info == {
        "name": "vidsearch",
        "version": __version__,
        "model": {"name": "all-MiniLM-L6-v2", "dimension": 384, "weights_sha256": "53aa"},
        "distance": "manhattan",
        "index_version": VERSION,
        "counts": {"videos": 3, "passages": 7, "videos_with_transcript": 2},
    }


def test_info_without_an_index_has_nulls(serve: Serve) -> None:
    response = serve(RaisingSearcher(IndexUnavailableError("none"))).get("/info")
    assert response.status_code == 200
    info = response.json()
    assert (info["name"], info["version"]) == ("vidsearch", __version__)
    assert [info[key] for key in ("model", "distance", "index_version", "counts")] == [None] * 4


def test_info_reports_overload(serve: Serve) -> None:
    assert serve(RaisingSearcher(OverloadedError("full"))).get("/info").status_code == 503


def test_search_answers_by_column(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    response = client.get("/search", params={"query": " fat tails "})
    assert response.json() == {
        "title": [f"fat tails {n}" for n in range(5)],
        "video_id": [f"id{n}" for n in range(5)],
    }
    assert searcher.asked == [("classic", "fat tails")]


def test_search_returns_titles_as_the_catalogue_gave_them(serve: Serve) -> None:
    class Escaped(EchoSearcher):
        async def classic(self, text: str) -> tuple[VideoRecord, ...]:
            return (VideoRecord(video_id=text, title="Q & A", title_as_given="Q &amp; A"),)

    assert serve(Escaped()).get("/search?query=x").json() == {"title": ["Q &amp; A"], "video_id": ["x"]}


def test_search_that_finds_nothing_keeps_its_columns(serve: Serve) -> None:
    assert serve(EmptySearcher()).get("/search?query=x").json() == {"title": [], "video_id": []}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "invalid-parameter"),
        ("query=", "empty-query"),
        ("query=+%20%09", "empty-query"),
        ("query=" + "x" * 2001, "query-too-long"),
        ("query=x&limit=3", "unknown-parameter"),
    ],
)
def test_search_refuses(client: TestClient[Litestar], searcher: EchoSearcher, query: str, code: str) -> None:
    response = client.get(f"/search?{query}")
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert searcher.asked == []
