"""The words of a text that match a query, for highlighting. Pure.

Words match by the tokenizer and stemmer of the lexical ranking: "planet" matches "planets", and a stop word
matches nothing.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from retrieval.text.lexical import weigh_query

ELLIPSIS = "\u2026"

# The tokenizer's words: letters, digits, and the vowel signs of Hebrew, Arabic and Devanagari, which Python's
# \w leaves out.
_SIGNS = (
    "\u05b0-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u0657\u0670\u0900-\u0903\u093e-\u094c"
)
_WORD = re.compile(rf"(?:[^\W_]|[{_SIGNS}])+")
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\u061f]\s")
_LONGEST_WORD = 64
"""Characters. A longer word is never highlighted."""

_LEAD = 70
"""The maximum number of characters in a quote before the first match."""


class Piece(msgspec.Struct, frozen=True):
    """A part of a text, and whether it is a matching word."""

    text: str
    matches: bool = False


class _Match(msgspec.Struct, frozen=True):
    start: int
    end: int
    words: frozenset[int]


def split_matches(text: str, query: str) -> tuple[Piece, ...]:
    """Split a text into the words that match the query and the parts between. Joined, they are the text."""
    return tuple(_pieces(text, _matches(text, query), 0, len(text)))


def quote(text: str, query: str, *, longest: int) -> tuple[Piece, ...]:
    """Return the part of a text with the most words of the query, as `split_matches` does.

    It has about `longest` characters and ends between words. An ellipsis marks an omission at either end.
    """
    matches = _matches(text, query)
    if len(text) <= longest:
        return tuple(_pieces(text, matches, 0, len(text)))
    start = _start(text, matches, longest)
    end = _end(text, start, longest)
    pieces = list(_pieces(text, matches, start, end))
    if start or text[0].islower():
        pieces.insert(0, Piece(f"{ELLIPSIS} "))
    if end < len(text):
        pieces.append(Piece(f" {ELLIPSIS}"))
    return tuple(pieces)


def _matches(text: str, query: str) -> list[_Match]:
    wanted = _query_hashes(query)
    if not wanted:
        return []
    return [
        _Match(word.start(), word.end(), shared)
        for word in _WORD.finditer(text)
        if word.end() - word.start() <= _LONGEST_WORD and (shared := _hashes(word[0]) & wanted)
    ]


@lru_cache(64)
def _query_hashes(query: str) -> frozenset[int]:
    return frozenset(weigh_query(query).indices)


@lru_cache(16_384)
def _hashes(word: str) -> frozenset[int]:
    return frozenset(weigh_query(word).indices)


def _pieces(text: str, matches: list[_Match], start: int, end: int) -> Iterator[Piece]:
    done = start
    for match in matches:
        if match.start < start or match.end > end:
            continue
        if match.start > done:
            yield Piece(text[done : match.start])
        yield Piece(text[match.start : match.end], matches=True)
        done = match.end
    if done < end:
        yield Piece(text[done:end])


def _start(text: str, matches: list[_Match], longest: int) -> int:
    """Choose the start of a quote: shortly before the best matches, if possible at a sentence start."""
    anchor = _LEAD
    if matches:
        places = range(len(matches))
        best = max((*_count_matches(matches, place, longest - _LEAD), -place) for place in places)
        anchor = matches[-best[-1]].start
    earliest = anchor - _LEAD
    if earliest <= 0:
        # A passage may begin in the middle of a sentence.
        if not text[0].islower():
            return 0
        earliest = 0
    ends = [found.end() for found in _SENTENCE_END.finditer(text, earliest, anchor)]
    if ends:
        return ends[0]
    if not earliest:
        return 0
    blank = text.find(" ", earliest, anchor)
    return anchor if blank < 0 else blank + 1


def without(text: str, shown: str) -> str:
    """Return the part of a text that `shown` does not contain, because neighbouring passages overlap.

    If the text contains `shown`, this is the longer of the parts after and before it. Otherwise it is the
    whole text.
    """
    place = text.find(shown) if shown else -1
    if place < 0:
        return text
    after, before = text[place + len(shown) :].lstrip(" ,;"), text[:place].rstrip()
    return max(after, before, key=len)


def _count_matches(matches: list[_Match], first: int, length: int) -> tuple[int, int]:
    """Count the different matching words and all matches within `length` characters of the match `first`."""
    until = matches[first].start + length
    within = [match.words for match in matches[first:] if match.end <= until]
    return len(frozenset().union(*within)), len(within)


def _end(text: str, start: int, longest: int) -> int:
    end = start + longest
    if end >= len(text):
        return len(text)
    blank = text.rfind(" ", start + 1, end + 1)
    # A text without blanks, for example in Japanese, is cut anywhere.
    return end if blank < start + longest // 2 else blank
