"""Addresses that open a video, that open it at a moment, and that play it in a page from there."""

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
    """How a video plays in a page: a frame of the site it is on, or the browser's own player of a file."""

    kind: PlayerKind
    address: str


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


def web_address(url: str | None) -> str | None:
    """Give an address as it is where a browser may be sent to it: http or https, a host, nothing unseen."""
    parts = _split(url)
    return None if parts is None else url


@lru_cache(4096)
def player_at(url: str | None, start: float | None) -> Player | None:
    """Say how a video at this address plays in a page from `start` seconds on; None where it cannot."""
    parts = _split(url)
    if url is None or parts is None:
        return None
    second = max(0, int(start or 0))
    host = parts.hostname or ""
    youtube_id = _youtube_id(host, parts.path, parts.query)
    if youtube_id is not None:
        # The host that sets no cookie before something is played.
        return Player(
            "frame", f"https://www.youtube-nocookie.com/embed/{youtube_id}?start={second}&autoplay=1"
        )
    if _VIMEO_HOST.fullmatch(host):
        found = _VIMEO_PATH.fullmatch(parts.path)
        if found is None:
            return None
        # A video that is not listed has a second number, without which it does not play.
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
    """Take an address apart; None where it is not one that a browser may be sent to."""
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
