import asyncio
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import Receive, Scope, Send

from api.app import create_app
from api.server.admission import BURST
from api.settings import ApiSettings
from api.wire.paths import LONGEST_ID, decode_video_id, normalize_paths
from retrieval.catalogue.video import VideoRecord
from retrieval.settings import SearchSettings
from tests.support.waiting import until
from tests.unit.api.fakes import EchoSearcher, opens
from tests.unit.api.guarded import ROUTES

IDS = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=LONGEST_ID
)


def routed(scope: dict[str, Any]) -> str:
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        assert unquote(scope["raw_path"]) == unquote(scope["path"])
        seen.append(scope["path"])

    asyncio.run(normalize_paths(app, ROUTES)({"type": "http", **scope}, None, None))  # type: ignore[arg-type, typeddict-item]
    return seen[0]


@given(IDS, st.sampled_from(["", "/search", "/similar"]))
def test_any_id_becomes_one_segment_that_decodes_to_the_id(video_id: str, action: str) -> None:
    raw = f"/v1/videos/{quote(video_id, safe='')}{action}".encode()
    path = routed({"path": f"/v1/videos/{video_id}{action}", "raw_path": raw})
    segment = path.removeprefix("/v1/videos/").removesuffix(action)
    assert "/" not in segment
    assert decode_video_id(segment) == video_id


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        ("/v1/videos/a/b/search", {"raw_path": b"/v1/videos/a/b/search"}, "/v1/videos/a%2Fb/search"),
        ("/v1/videos/a", {"raw_path": b"/v1/videos/a?x=/search"}, "/v1/videos/a"),
        ("/v1/videos/caf\u00e9/similar", {}, "/v1/videos/caf%C3%A9/similar"),
        ("/v1/videos/a", {"raw_path": b"/%76%31/videos/a"}, "/v1/videos/a"),
        (
            "/api/v1/videos/a/b",
            {"raw_path": b"/api/v1/videos/a%2Fb", "root_path": "/api"},
            "/api/v1/videos/a%2Fb",
        ),
    ],
    ids=["unescaped slash", "query string", "no raw path", "escaped prefix", "root path"],
)
def test_unusual_paths_of_a_video(path: str, more: dict[str, Any], expected: str) -> None:
    assert routed({"path": path, **more}) == expected


def test_other_paths_are_unchanged() -> None:
    for path in ("/", "/v1/search", "/v1/videos", "/V1/VIDEOS/a/b", "/caf\u00e9"):
        assert routed({"path": path, "raw_path": quote(path).encode()}) == path


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        *((sent, "/search") for sent in ("//search", "/search/", "/search//", "/%2Fsearch", "///search///")),
        *((sent, "/v1/videos") for sent in ("//v1//videos//", "/v1/videos/", "/v1/videos//")),
        *((sent, "/") for sent in ("/", "//", "///")),
        *((f"{v1}%E6%97%A5", "/v1/videos/%E6%97%A5") for v1 in ("//v1/videos/", "/v1//videos/")),
        ("//v1/videos/a%2541/", "/v1/videos/a%2541"),
        ("//v1/videos/a%2Fb//search", "/v1/videos/a%2Fb%2F/search"),
        # An id may be an address.
        ("/v1/videos/https://videos.example.org//1", "/v1/videos/https:%2F%2Fvideos.example.org%2F%2F1"),
    ],
)
def test_slashes_that_the_router_ignores_are_removed(sent: str, path: str) -> None:
    assert routed({"path": unquote(sent), "raw_path": sent.encode()}) == path


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["//search", "/search/", "/%2Fsearch"])
async def test_every_spelling_of_a_search_is_subject_to_admission(
    path: str,
) -> None:
    ended = asyncio.Event()

    class Slow(EchoSearcher):
        async def classic(self, text: str) -> tuple[VideoRecord, ...]:
            self.asked.append(("classic", text))
            await ended.wait()
            return ()

    searcher = Slow()
    app = create_app(ApiSettings(search=SearchSettings(), max_searches=1), open_search=opens(searcher))
    transport = httpx.ASGITransport(app)
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        burst = [asyncio.create_task(client.get("/search?query=x")) for _ in range(BURST)]
        await until(lambda: len(searcher.asked) == BURST)
        refused = await client.get(f"http://x{path}?query=x")
        ended.set()
        assert {(await each).status_code for each in burst} == {200}
        assert refused.status_code == 503


def test_video_ids_are_found_after_any_number_of_slashes(client: TestClient[Litestar]) -> None:
    for sent, video_id in (("%E6%97%A5", "\u65e5"), ("a%2541", "a%41"), ("a%2Fb", "a/b")):
        for start in ("//v1/videos/", "/v1//videos/", "/v1/videos/"):
            answer = client.get(f"http://testserver.local{start}{sent}")
            assert (answer.status_code, answer.json()["video_id"]) == (200, video_id)
