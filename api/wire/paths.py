"""One spelling of each path, fixed before any other code reads it. A video id is one segment of the path."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.utils import normalize_path

from api.wire.errors import InvalidParameterError
from api.wire.query_string import decode_component
from api.wire.route_table import ROUTE, RouteTable

LONGEST_ID = 512
"""Characters."""

_VIDEO_ID = "{video_id}"


def normalize_paths(app: ASGIApp, routes: RouteTable) -> ASGIApp:
    """Wrap an app so that all of it sees the path that the router uses, and the route that belongs to it.

    The router ignores repeated slashes and a slash at the end. Without this, admission, metrics and the log
    would miss `//search`.

    A video id may be any text. In `/v1/videos/ID/search`, everything between the prefix and the action is the
    id. Servers decode the path, after which a slash in the id looks like any other slash. The raw path still
    has the difference, so the id is passed on as one percent-encoded segment, which `decode_video_id` reads.
    """
    videos = _VideoPaths(routes.templates)

    async def normalized(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            root = scope.get("root_path", "")
            path = scope["path"].removeprefix(root)
            one_segment = videos.with_one_segment(scope, root, path)
            path = normalize_path(one_segment or path)
            scope["path"] = root + path
            scope["raw_path"] = (scope["path"] if one_segment else quote(scope["path"])).encode("latin-1")
            scope.setdefault("state", {})[ROUTE] = routes.match(path)
        await app(scope, receive, send)

    return normalized


def path_of(scope: Scope) -> str:
    """Return the path below the app's root path, without a slash at its end."""
    return scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/") or "/"


def decode_video_id(segment: str) -> str:
    """Decode a video id that `normalize_paths` encoded. Raises InvalidParameterError."""
    video_id = decode_component(segment.encode("latin-1"), "video_id")
    if len(video_id) > LONGEST_ID:
        raise InvalidParameterError("video_id", f"is longer than {LONGEST_ID} characters.")
    return video_id


class _VideoPaths:
    """Recognises paths with a video id, and encodes the id as one segment."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._actions: dict[str, list[bytes]] = {}
        for template in templates:
            prefix, parameter, action = template.partition(_VIDEO_ID)
            if parameter:
                self._actions.setdefault(prefix, []).extend([action.encode()] if action else [])
        # The router treats repeated slashes as one. The slashes after the prefix belong to the id.
        spellings = (re.escape(prefix[:-1]).replace("/", "/+") + "/" for prefix in self._actions)
        pattern = rf"\A(?:{'|'.join(spellings) or '(?!)'})"
        self._prefix = re.compile(pattern)
        self._raw_prefix = re.compile(pattern.encode())

    def with_one_segment(self, scope: HTTPScope, root: str, path: str) -> str | None:
        found = self._prefix.match(path)
        if found is None:
            return None
        prefix = re.sub("/+", "/", found[0])
        # A server may omit the raw path, or include the query string. A client may escape the prefix.
        raw = scope.get("raw_path", b"").partition(b"?")[0].removeprefix(root.encode())
        if not self._raw_prefix.match(raw):
            raw = quote(path).encode("ascii")
        rest = self._raw_prefix.sub(b"", raw).rstrip(b"/")
        action = next((each for each in self._actions[prefix] if rest.endswith(each) and rest != each), b"")
        video_id = rest.removesuffix(action).replace(b"/", b"%2F")
        return prefix + (video_id + action).decode("latin-1")
