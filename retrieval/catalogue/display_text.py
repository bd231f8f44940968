"""Cleans text for display: decodes entities, normalises blanks, removes invisible characters."""

import html
import re
from html.entities import html5

_SURROGATE = re.compile("[\ud800-\udfff]")

# Controls, the soft hyphen, zero-width and bidirectional marks, annotation marks, noncharacters and tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffc\ufffe\uffff\U000e0000-\U000e007f]+"
)

# The braille blank and the Hangul fillers look like blanks without being whitespace.
_BLANK = "\\s\u2800\u3164\uffa0"
_BLANKS = re.compile(f"[{_BLANK}]+")

# The joiner and the non-joiner are part of the spelling in Persian, in Indic scripts and in emoji. Therefore,
# one of them stays after a character that is not ASCII. Anywhere else it is removed like the other ones.
_JOINERS = "\u200c\u200d"
_STRAY_JOINER = re.compile(f"(?<![^\x00-\x7f{_BLANK}{_JOINERS}])[{_JOINERS}]")

# Only entities with a semicolon are decoded. Otherwise the "&region=" of a URL would become a trade mark.
_ENTITY = re.compile("&(#[0-9]{1,30}|#[xX][0-9a-fA-F]{1,29}|[A-Za-z][A-Za-z0-9]{1,30});")
_LONGEST_OPEN_ENTITY = 32


def clean_for_display(text: str) -> str:
    """Return the text on one line as a reader should see it.

    Decodes HTML entities, even if they were escaped several times. Replaces each run of whitespace by one
    blank, and strips both ends. Removes control, zero-width and bidirectional characters. Joins surrogate
    pairs, and replaces a lone surrogate by U+FFFD. Idempotent, never raises, and takes linear time.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _decode_entities(_STRAY_JOINER.sub("", _INVISIBLE.sub("", text)))
    return _BLANKS.sub(" ", _STRAY_JOINER.sub("", text)).strip(" ")


def _decode_entities(text: str) -> str:
    """Decode entities until none is left, including those that decoding creates.

    Decoding the whole text until it is stable would take quadratic time on hostile text such as
    "&semi&semi&semi;". Instead, each semicolon is checked once, in order, after the decoded text before it.
    """
    if not _ENTITY.search(text):
        return text
    first, *others = text.split(";")
    decoded = list(first)
    for part in others:
        _close_entity(decoded)
        decoded.extend(part)
    return "".join(decoded)


def _close_entity(decoded: list[str]) -> None:
    """Append a semicolon, or the character of the entity that the semicolon completes."""
    while True:
        _, ampersand, name = "".join(decoded[-_LONGEST_OPEN_ENTITY:]).rpartition("&")
        entity = f"{ampersand}{name};"
        if not _ENTITY.fullmatch(entity) or (name[0] != "#" and f"{name};" not in html5):
            decoded.append(";")
            return
        del decoded[-len(name) - 1 :]
        meaning = html.unescape(entity)
        # A decoded semicolon may itself complete an entity.
        if meaning != ";":
            break
    # Invisible characters are removed here and not at the end, when their removal could create an entity that
    # is not decoded any more. A joiner between characters that are not ASCII cannot do that.
    if not (meaning in _JOINERS and (not decoded or decoded[-1].isascii())):
        decoded.extend(_INVISIBLE.sub("", meaning))
