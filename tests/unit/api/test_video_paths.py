import asyncio
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from litestar.types import Receive, Scope, Send

from api.video_paths import LONGEST_ID, decode_video_id, keep_video_ids_whole

IDS = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=LONGEST_ID
)


def routed(scope: dict[str, Any]) -> str:
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["path"])

    asyncio.run(keep_video_ids_whole(app)({"type": "http", **scope}, None, None))  # type: ignore[arg-type, typeddict-item]
    return seen[0]


@given(IDS, st.sampled_from(["", "/search", "/similar"]))
def test_any_id_arrives_as_one_segment_and_reads_as_it_was(video_id: str, action: str) -> None:
    raw = f"/v1/videos/{quote(video_id, safe='')}{action}".encode()
    path = routed({"path": f"/v1/videos/{video_id}{action}", "raw_path": raw})
    segment = path.removeprefix("/v1/videos/").removesuffix(action)
    assert "/" not in segment
    assert decode_video_id(segment) == video_id


def test_an_unescaped_slash_is_part_of_the_id() -> None:
    path = routed({"path": "/v1/videos/a/b/search", "raw_path": b"/v1/videos/a/b/search"})
    assert path == "/v1/videos/a%2Fb/search"


def test_a_query_string_on_the_raw_path_is_no_part_of_it() -> None:
    assert routed({"path": "/v1/videos/a", "raw_path": b"/v1/videos/a?x=/search"}) == "/v1/videos/a"


def test_works_without_a_raw_path() -> None:
    path = routed({"path": "/v1/videos/caf\u00e9/similar"})
    assert decode_video_id(path.split("/")[3]) == "caf\u00e9"


def test_works_where_the_prefix_is_escaped() -> None:
    assert routed({"path": "/v1/videos/a", "raw_path": b"/%76%31/videos/a"}) == "/v1/videos/a"


def test_works_below_a_root_path() -> None:
    scope = {"path": "/api/v1/videos/a/b", "raw_path": b"/api/v1/videos/a%2Fb", "root_path": "/api"}
    assert routed(scope) == "/api/v1/videos/a%2Fb"


def test_leaves_other_paths_alone() -> None:
    for path in ("/", "/v1/search", "/v1/videos", "/V1/VIDEOS/a/b"):
        assert routed({"path": path, "raw_path": path.encode()}) == path
