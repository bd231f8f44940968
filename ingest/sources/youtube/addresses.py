"""URLs as sources: the URL of a YouTube channel names the channel; any other URL is refused."""

import re
import shlex
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from ingest.errors import SourceError

PREFIX: Final = "youtube:"
"""The start of the name of a channel as a source; its id, @handle or user/NAME follows."""

USER: Final = "user/"
"""Precedes an old user name, which may differ from the channel's handle."""

_CHANNEL_ID: Final = re.compile(r"UC[A-Za-z0-9_-]{22}")
CHANNEL: Final = re.compile(rf"{_CHANNEL_ID.pattern}|{USER}[A-Za-z0-9._-]{{1,100}}|@?[^\s/@:?#&]{{3,100}}")
"""What may follow PREFIX."""

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_YOUTUBE: Final = re.compile(r"(?:(?:www|m|music)\.)?(?:youtube\.com|youtu\.be)", re.IGNORECASE)
_WITHOUT_SCHEME: Final = re.compile(rf"{_YOUTUBE.pattern}/", re.IGNORECASE)
_KINDS: Final = {
    "playlist": "playlist",
    "shorts": "short",
    **dict.fromkeys(("watch", "live", "embed", "v"), "video"),
}


def source_of(text: str) -> Path:
    """Return the source that an argument names: a path, or `youtube:...` for the URL of a channel.

    Raises SourceError for any other URL.
    """
    pasted = text.strip()
    url = f"https://{pasted}" if _WITHOUT_SCHEME.match(pasted) and not Path(text).exists() else pasted
    if not _SCHEME.match(url):
        return Path(text)
    parts = _split(url)
    if parts is None or not _YOUTUBE.fullmatch(parts.hostname or ""):
        raise SourceError(
            f"{text}: is a URL, and only YouTube channels are read from the web; download the file and give "
            "its path"
        )
    return Path(f"{PREFIX}{_channel(text, url, parts)}")


def yt_dlp_hint(url: str, sentence: str) -> str:
    """Return a sentence and the commands that get captions without an API key, in lines of 80 columns."""
    return (
        f"{sentence}:\n"
        "  yt-dlp --skip-download --write-info-json --write-subs --write-auto-subs \\\n"
        "    -o 'talks/%(title)s [%(id)s].%(ext)s' \\\n"
        f"    {shlex.quote(url)}\n"
        "  python -m ingest sync talks/"
    )


def channel_url(name: str) -> str:
    """Return the URL of a channel by its name as a source."""
    wanted = name.removeprefix(PREFIX)
    if wanted.startswith((USER, "@")):
        return f"https://www.youtube.com/{wanted}"
    return f"https://www.youtube.com/{'channel/' if is_channel_id(wanted) else '@'}{wanted}"


def is_channel_id(wanted: str) -> bool:
    """Whether this is a channel's id rather than a handle."""
    return _CHANNEL_ID.fullmatch(wanted) is not None


def _channel(text: str, url: str, parts: SplitResult) -> str:
    steps = [unquote(step) for step in parts.path.split("/") if step]
    first, second = [*steps, "", ""][:2]
    if first.startswith("@"):
        return first
    if first == "channel" and is_channel_id(second):
        return second
    if first == "user" and second:
        return f"{USER}{second}"
    if first == "channel":
        problem = "contains no channel id (UC and 22 characters); copy it again, or give the @handle"
        kind = "channel"
    elif first == "c":
        problem = (
            "is an old channel URL, which YouTube's Data API cannot look up; give the @handle on that page"
        )
        kind = "channel"
    else:
        kind = "video" if parts.hostname == "youtu.be" and first else _KINDS.get(first, "page")
        problem = f"is the URL of a {kind}; give that of its channel"
    raise SourceError(
        f"{text}: {problem}, such as https://www.youtube.com/@handle",
        hint=yt_dlp_hint(url, f"Or let yt-dlp download the captions of this {kind}, and sync them"),
    )


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if url.lower().startswith(("http://", "https://")) else None
    except ValueError:
        return None
