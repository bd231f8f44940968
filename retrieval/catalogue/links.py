"""URLs that open a video, open it at a moment, and play it in a page from there."""

import re
from functools import lru_cache
from typing import Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_HOST = re.compile(r"(?:[a-z0-9-]+\.)?(?:youtube|youtube-nocookie)\.com")
_YOUTUBE_PATHS = frozenset({"embed", "shorts", "live", "v", "vi", "e"})
_VIMEO_HOST = re.compile(r"(?:[a-z0-9-]+\.)?vimeo\.com")
_VIMEO_PATH = re.compile(r"(?:/[^/]+)*?/(\d{4,12})(?:/([0-9a-f]{6,16}))?/?")
_UNSEEN = re.compile(r"[\s\x00-\x20\x7f\\]")

_VIDEO_FILES = ("mp4", "m4v", "webm", "ogv", "mov")
_AUDIO_FILES = ("mp3", "m4a", "ogg", "oga", "opus", "wav", "flac", "aac")

PlayerKind = Literal["frame", "video", "audio"]


class Player(msgspec.Struct, frozen=True):
    """How a video plays in a page: in a frame of its site, or in the browser's player of a file."""

    kind: PlayerKind
    address: str


def watch_url(video_id: str, url: str | None) -> str | None:
    """Return the URL of a video: its own, or that of YouTube if its id looks like a YouTube id.

    A YouTube id has 11 characters. Ids in one case only are excluded, because other systems use them. None
    means unknown.
    """
    if url:
        return url
    if _YOUTUBE_ID.fullmatch(video_id) and video_id.lower() != video_id and video_id.upper() != video_id:
        return f"https://youtu.be/{video_id}"
    return None


def moment_url(url: str | None, start: float | None) -> str | None:
    """Return the URL that opens a video at `start`, in whole seconds.

    YouTube and Vimeo have their own forms. In any other http URL, a media fragment
    (https://www.w3.org/TR/media-frags/) replaces the fragment. A URL that is not http is returned unchanged,
    as is any URL if `start` is None.
    """
    if url is None or start is None:
        return url
    form = _form(url)
    if form is None:
        return url
    before, after = form
    return f"{before}{max(0, int(start))}{after}"


def web_address(url: str | None) -> str | None:
    """Return the URL if it is safe as a link: http or https, with a host, no blanks or control characters."""
    parts = _split(url)
    return None if parts is None else url


def youtube_picture(url: str | None) -> str | None:
    """Return the URL of the picture (320 x 180) of a video on YouTube; None for any other URL."""
    parts = _split(url)
    youtube_id = _youtube_id(parts.hostname or "", parts.path, parts.query) if parts else None
    return f"https://i.ytimg.com/vi/{youtube_id}/mqdefault.jpg" if youtube_id else None


@lru_cache(4096)
def player_at(url: str | None, start: float | None) -> Player | None:
    """Return the player that plays a video in a page from `start` seconds, or None if there is none."""
    parts = _split(url)
    if url is None or parts is None:
        return None
    second = max(0, int(start or 0))
    host = parts.hostname or ""
    youtube_id = _youtube_id(host, parts.path, parts.query)
    if youtube_id is not None:
        # This host sets no cookie before playback.
        return Player(
            "frame", f"https://www.youtube-nocookie.com/embed/{youtube_id}?start={second}&autoplay=1"
        )
    if _VIMEO_HOST.fullmatch(host):
        found = _VIMEO_PATH.fullmatch(parts.path)
        if found is None:
            return None
        # An unlisted video does not play without its hash.
        unlisted = f"h={found[2]}&" if found[2] else ""
        return Player(
            "frame", f"https://player.vimeo.com/video/{found[1]}?{unlisted}autoplay=1&dnt=1#t={second}s"
        )
    ending = parts.path.rpartition(".")[2].lower()
    address = moment_url(url, start) or url
    if ending in _VIDEO_FILES:
        return Player("video", address)
    return Player("audio", address) if ending in _AUDIO_FILES else None


def _split(url: str | None) -> SplitResult | None:
    """Parse a URL. Returns None if it is not safe as a link."""
    if url is None or _UNSEEN.search(url):
        return None
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    return parts if is_usable else None


@lru_cache(4096)
def _form(url: str) -> tuple[str, str] | None:
    """Return the parts of a URL before and after the second, or None if it cannot open at a moment."""
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
