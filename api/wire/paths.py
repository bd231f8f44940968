"""One spelling of an address, settled before anything looks at it; a video id is one piece of it."""

import re
from urllib.parse import quote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.utils import normalize_path

from api.wire.errors import InvalidParameterError
from api.wire.query_string import decode_component

LONGEST_ID = 512
"""Characters."""

# Before an id; and what the router takes for that, who counts repeated slashes as one.
_VIDEOS_PATH = re.compile(r"\A/+(v1|app)/+videos/")
_VIDEOS_RAW_PATH = re.compile(rb"\A/+(?:v1|app)/+videos/")
_ACTIONS: dict[str, tuple[bytes, ...]] = {"v1": (b"/search", b"/similar"), "app": ()}
"""What may follow an id."""


def normalize_paths(app: ASGIApp) -> ASGIApp:
    """Wrap an app so that all of it sees the path that the router will find the route by.

    The router counts repeated slashes as one, and none at the end. What is admitted, counted and noted by
    the path would otherwise miss `//search`.

    Whatever stands between `/v1/videos/` and `/search` or the end is a video id, which may be any text; what
    stands after `/app/videos/` too.
    Servers decode the path before anyone sees it, and then an id's slash is like any other. The raw path
    still tells them apart, so an id goes on as one segment, percent-encoded, and `decode_video_id` reads it.
    """

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            root = scope.get("root_path", "")
            path = scope["path"].removeprefix(root)
            if found := _VIDEOS_PATH.match(path):
                scope["path"] = root + normalize_path(_one_segment(scope, root, path, found[1]))
                scope["raw_path"] = scope["path"].encode("latin-1")
            else:
                scope["path"] = root + normalize_path(path)
                scope["raw_path"] = quote(scope["path"]).encode("ascii")
        await app(scope, receive, send)

    return route


def decode_video_id(segment: str) -> str:
    """Read a video id as `normalize_paths` left it. Raises InvalidParameterError."""
    video_id = decode_component(segment.encode("latin-1"), "video_id")
    if len(video_id) > LONGEST_ID:
        raise InvalidParameterError("video_id", f"is longer than {LONGEST_ID} characters.")
    return video_id


def _one_segment(scope: HTTPScope, root: str, path: str, area: str) -> str:
    # A server may leave the raw path out, or the query string on it; a client may escape what needs none.
    raw = scope.get("raw_path", b"").partition(b"?")[0].removeprefix(root.encode())
    if not _VIDEOS_RAW_PATH.match(raw):
        raw = quote(path).encode("ascii")
    rest = _VIDEOS_RAW_PATH.sub(b"", raw).rstrip(b"/")
    action = next((action for action in _ACTIONS[area] if rest.endswith(action) and rest != action), b"")
    video_id = rest.removesuffix(action)
    return (f"/{area}/videos/".encode() + video_id.replace(b"/", b"%2F") + action).decode("latin-1")
