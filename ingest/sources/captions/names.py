"""The parts of a caption file's name: the video, the language and the kind of captions (pure).

`Talk.en.vtt`, `Talk.en-orig.vtt`, `Talk [dQw4w9WgXcQ].pt-BR.srt`, `Talk.en.sdh.srt`.
"""

import re
from typing import Final, NamedTuple

from retrieval.catalogue.languages import LANGUAGE_NAMES

CAPTION_SUFFIXES: Final = (".vtt", ".srt", ".sbv", ".ttml", ".dfxp", ".json3", ".json")
"""The suffixes of files that are read as captions."""

LIVE_CHAT: Final = "live_chat"
"""yt-dlp writes this in place of the language of a file that holds the comments of viewers."""

# With the older codes that YouTube still writes, and its longer codes. No others, because the last part of a
# name such as "talk.final.vtt" is no language.
_LANGUAGES: Final = {*LANGUAGE_NAMES, "bh", "ceb", "cu", "fil", "haw", "hmn", "iw", "jw", "yue"}
_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9_]{1,12}){0,4})")
_REGION_OR_SCRIPT: Final = re.compile(r"[A-Z]{2}|[A-Z][a-z]{3}|[0-9]{3}")
_AUTOMATIC: Final = frozenset({"auto", "asr", "automatic"})
_KINDS: Final = _AUTOMATIC | {"sdh", "cc", "forced", "default"}
_BRACKETED_ID: Final = re.compile(r"(.+?)\s*\[([^\[\]\s]{6,64})\]", re.DOTALL)
_PICTURE_SIZE: Final = re.compile(r"\d{3,4}p\d{0,3}|\d{3,4}x\d{3,4}")


class CaptionName(NamedTuple):
    """The parts of a name; `stem` is the rest without language and suffix.

    `is_automatic`: the name marks the captions as automatic. `is_original`: yt-dlp marked them as the track
    that the others were translated from.
    """

    stem: str
    language: str | None = None
    is_automatic: bool = False
    is_original: bool = False


def without_suffix(name: str) -> str:
    """Return a caption file's name without its suffix."""
    lowered = name.lower()
    return next((name[: -len(suffix)] for suffix in CAPTION_SUFFIXES if lowered.endswith(suffix)), name)


def parse_caption_name(name: str, *, stem: str | None = None) -> CaptionName:
    """Split a file's name into its parts. If `stem`, the video's name, is given, the rest is the language."""
    rest = without_suffix(name)
    if stem is not None:
        parts = rest[len(stem) :].removeprefix(".").split(".")
        rest = stem
    else:
        rest, *parts = _split_end(rest)
    automatic = original = False
    language = None
    for part in parts:
        if part.lower() in _KINDS:
            automatic = automatic or part.lower() in _AUTOMATIC
        elif found := _LANGUAGE.fullmatch(part):
            language = _plain_language(*found.groups())
            original = part.lower().endswith("-orig")
    return CaptionName(rest, language, automatic or original, original)


def caption_language(tag: str) -> str | None:
    """Return the language in a downloader's name for a track: `en-orig` is `en`."""
    found = _LANGUAGE.fullmatch(tag)
    return _plain_language(*found.groups()) if found else None


def _split_end(name: str) -> list[str]:
    """Split off the language and the kind of captions from the end of a name, which must not become empty."""
    ends: list[str] = []
    while True:
        rest, dot, part = name.rpartition(".")
        language = _LANGUAGE.fullmatch(part)
        is_language = language is not None and language[1].lower() in _LANGUAGES
        if not dot or not rest.strip() or not (is_language or part.lower() in _KINDS):
            return [name, *ends]
        name = rest
        ends.insert(0, part)
        if is_language:
            return [name, *ends]


def _plain_language(code: str, subtags: str) -> str:
    """Return the code with its region and script, without a track's mark and its source language."""
    kept = [tag for tag in re.split("[-_]", subtags) if _REGION_OR_SCRIPT.fullmatch(tag)]
    return "-".join([code.lower(), *kept])


def id_and_title(stem: str) -> tuple[str, str]:
    """Return the id and the title in a stem. `Title [ID]` has both; any other stem is its own id."""
    found = _BRACKETED_ID.fullmatch(stem)
    if found and _looks_like_id(found[2]):
        return found[2], found[1]
    return stem, stem.replace("_", " ").replace("-", " ")


def _looks_like_id(text: str) -> bool:
    # "[Official]" and "[1080p]" are words for people; an id mixes letter case and digits as no word does.
    mixed = text[1:] != text[1:].lower() and text != text.upper()
    return not _PICTURE_SIZE.fullmatch(text) and (mixed or not text.isalpha())
