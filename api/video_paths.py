"""Lets a video id be any text: it is cut out of the address before the router splits that at slashes."""

from urllib.parse import quote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from api.errors import InvalidParameterError
from api.query_string import decode_component

LONGEST_ID = 512
"""Characters."""

_PREFIXES: dict[str, tuple[bytes, ...]] = {"/v1/videos/": (b"/search", b"/similar"), "/app/videos/": ()}
"""Where an id stands, and what may follow it."""


def keep_video_ids_whole(app: ASGIApp) -> ASGIApp:
    """Wrap an app so that whatever stands between `/v1/videos/` and `/search` or the end is one segment.

    Servers decode the path before the router sees it, and then an id's slash is like any other. The raw path
    still tells them apart, so the segment goes on percent-encoded and `decode_video_id` reads it.
    """

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            for prefix, actions in _PREFIXES.items():
                start = scope.get("root_path", "") + prefix
                # The test is cheap and all that any other route pays.
                if scope["path"].startswith(start):
                    scope["path"] = _one_segment(scope, start.encode(), actions)
        await app(scope, receive, send)

    return route


def decode_video_id(segment: str) -> str:
    """Read a video id as `keep_video_ids_whole` left it. Raises InvalidParameterError."""
    video_id = decode_component(segment.encode("latin-1"), "video_id")
    if len(video_id) > LONGEST_ID:
        raise InvalidParameterError("video_id", f"is longer than {LONGEST_ID} characters.")
    return video_id


def _one_segment(scope: Scope, start: bytes, actions: tuple[bytes, ...]) -> str:
    # A server may leave the raw path out, or the query string on it; a client may escape what needs none.
    raw = scope.get("raw_path", b"").partition(b"?")[0]
    if not raw.startswith(start):
        raw = quote(scope["path"]).encode()
    rest = raw[len(start) :].rstrip(b"/")
    action = next((action for action in actions if rest.endswith(action) and rest != action), b"")
    video_id = rest.removesuffix(action)
    return (start + video_id.replace(b"/", b"%2F") + action).decode("latin-1")
