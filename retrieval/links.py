"""Addresses that open a video, and that open it at a moment."""

import re
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_HOST = re.compile(r"(?:[a-z0-9-]+\.)?(?:youtube|youtube-nocookie)\.com")
_YOUTUBE_PATHS = frozenset({"embed", "shorts", "live", "v", "vi", "e"})
_VIMEO_HOST = re.compile(r"(?:[a-z0-9-]+\.)?vimeo\.com")


def watch_url(video_id: str, url: str | None) -> str | None:
    """Say where a video is watched: at its own address, or on YouTube where its id has that form.

    A YouTube id is 11 characters; one with both cases in it is hardly anything else. None means unknown.
    """
    if url:
        return url
    if _YOUTUBE_ID.fullmatch(video_id) and video_id.lower() != video_id and video_id.upper() != video_id:
        return f"https://youtu.be/{video_id}"
    return None


def moment_url(url: str | None, start: float | None) -> str | None:
    """Say where a video is watched from `start` seconds on, in whole seconds.

    YouTube and Vimeo have their own forms; any other http address gets a media fragment
    (https://www.w3.org/TR/media-frags/), in place of a fragment it had. What is no http address, or a
    moment without a time, gives the address as it is.
    """
    if url is None or start is None:
        return url
    form = _form(url)
    if form is None:
        return url
    before, after = form
    return f"{before}{max(0, int(start))}{after}"


@lru_cache(4096)
def _form(url: str) -> tuple[str, str] | None:
    """Split an address into what comes before and after the second; None where it can show no moment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        return None
    youtube_id = _youtube_id(host, parts.path, parts.query)
    if youtube_id is not None:
        return f"https://youtu.be/{youtube_id}?t=", ""
    return f"{url.partition('#')[0]}#t=", "s" if _VIMEO_HOST.fullmatch(host) else ""


def _youtube_id(host: str, path: str, query: str) -> str | None:
    steps = path.split("/")[1:]
    candidate = ""
    if host == "youtu.be":
        candidate = steps[0] if steps else ""
    elif _YOUTUBE_HOST.fullmatch(host):
        if steps[:1] == ["watch"]:
            candidate = parse_qs(query).get("v", [""])[0]
        elif len(steps) > 1 and steps[0] in _YOUTUBE_PATHS:
            candidate = steps[1]
    return candidate if _YOUTUBE_ID.fullmatch(candidate) else None
