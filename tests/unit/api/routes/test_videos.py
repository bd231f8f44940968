from urllib.parse import quote

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import VERSION, EchoSearcher, EmptySearcher


def test_lists_a_page(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    page = client.get("/v1/videos").json()
    assert (page["index_version"], page["next_cursor"]) == (VERSION, "next")
    assert page["videos"][0] == {
        "video_id": "a",
        "title": "Transformers",
        "url": None,
        "channel": "A channel",
        "published_at": "2024-05-31T12:00:00Z",
        "thumbnail_url": None,
        "language": "en",
        "duration": 600.0,
        "tags": ["ml"],
        "passages": 7,
        "has_transcript": True,
    }
    assert client.get("/v1/videos?limit=100&cursor=next").json()["next_cursor"] is None
    assert searcher.asked == [("catalogue", 20, None), ("catalogue", 100, "next")]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=%FF", "cursor=a%00"])
def test_an_invalid_page_parameter_is_named(client: TestClient[Litestar], query: str) -> None:
    problem = client.get(f"/v1/videos?{query}").json()
    assert problem["code"] == "invalid-parameter"
    assert problem["detail"].startswith(query.partition("=")[0])


def test_a_foreign_cursor_is_refused(serve: Serve) -> None:
    response = serve(EmptySearcher()).get("/v1/videos?cursor=made-up")
    assert (response.status_code, response.json()["code"]) == (400, "invalid-parameter")
    assert response.json()["detail"].startswith("cursor: ")
    assert "made-up" not in response.text


def test_an_empty_catalogue_is_a_page(serve: Serve) -> None:
    assert serve(EmptySearcher()).get("/v1/videos").json() == {
        "index_version": VERSION,
        "videos": [],
        "next_cursor": None,
    }


def test_returns_one_video(client: TestClient[Litestar]) -> None:
    video = client.get("/v1/videos/tLf2bGhmWsI").json()
    assert (video["video_id"], video["url"]) == ("tLf2bGhmWsI", "https://youtu.be/tLf2bGhmWsI")


@pytest.mark.parametrize(
    "video_id",
    [
        "search",
        "similar",
        "a/b",
        "a/search",
        "/search",
        "a//b/",
        "100%",
        "%2F",
        "a b+c",
        "a?query=1#2",
        "caf\u00e9",
        "\U0001f3ac",
        "x" * 512,
        ";,:@&=",
        "{video_id}",
    ],
)
def test_an_id_is_any_text(client: TestClient[Litestar], searcher: EchoSearcher, video_id: str) -> None:
    path = f"/v1/videos/{quote(video_id, safe='')}"
    assert client.get(path).json()["video_id"] == video_id
    assert client.get(f"{path}/search?query=x").json()["videos"][0]["video_id"] == video_id
    assert client.get(f"{path}/similar").json()["video_id"] == video_id
    assert searcher.asked == [
        ("video", video_id),
        ("inside", video_id, "x", 10),
        ("similar", video_id, 10),
    ]


@pytest.mark.parametrize("segment", ["%FF", "%ED%A0%80", "a%00", "50%25%", "x" * 513])
@pytest.mark.parametrize("action", ["", "/search?query=x", "/similar"])
def test_an_invalid_id_is_refused(client: TestClient[Litestar], segment: str, action: str) -> None:
    response = client.get(f"/v1/videos/{segment}{action}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid-parameter")
    assert response.json()["detail"].startswith("video_id: ")


@pytest.mark.parametrize("action", ["", "/search?query=x", "/similar"])
def test_an_unknown_id_is_not_found(serve: Serve, action: str) -> None:
    response = serve(EmptySearcher()).get(f"/v1/videos/missing{action}")
    assert (response.status_code, response.json()["code"]) == (404, "video-not-found")
    assert "missing" not in response.text


def test_finds_moments_inside(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    answer = client.get("/v1/videos/tLf2bGhmWsI/search?query=+why+&limit=2").json()
    assert answer.pop("took_ms") >= 0
    assert (answer["query"], answer["index_version"]) == ("why", VERSION)
    assert [moment["url"] for moment in answer["videos"][0]["moments"]] == [
        "https://youtu.be/tLf2bGhmWsI",
        "https://youtu.be/tLf2bGhmWsI?t=1",
    ]
    assert searcher.asked == [("inside", "tLf2bGhmWsI", "why", 2)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "invalid-parameter"),
        ("query=", "empty-query"),
        ("query=" + "x" * 2001, "query-too-long"),
        ("query=x&limit=51", "invalid-parameter"),
        ("query=x&moments=1", "unknown-parameter"),
    ],
)
def test_refuses_a_search_inside(client: TestClient[Litestar], query: str, code: str) -> None:
    assert client.get(f"/v1/videos/a/search?{query}").json()["code"] == code


def test_finds_similar(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    answer = client.get("/v1/videos/a/similar?limit=50").json()
    assert answer.pop("took_ms") >= 0
    assert [video["video_id"] for video in answer["videos"]] == ["other"]
    assert answer["videos"][0]["moments"] == []
    assert searcher.asked == [("similar", "a", 50)]
    assert client.get("/v1/videos/a/similar?limit=0").json()["code"] == "invalid-parameter"
    assert client.get("/v1/videos/a/similar?query=x").json()["code"] == "unknown-parameter"
