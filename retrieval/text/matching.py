"""Which words of a text a query's words match, by the rules that rank: for marking them where they are shown.

Pure. A text is looked at word by word, and each word is known by what the tokenizer and the stemmer make of
it, so that "planets" is marked for "planet" and "the" never.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from retrieval.text.lexical import weigh_query

ELLIPSIS = "\u2026"

# Letters and digits, as the tokenizer takes them, and the vowel signs of Hebrew, Arabic and Devanagari, which
# it keeps in words and Python does not.
_SIGNS = (
    "\u05b0-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u0657\u0670\u0900-\u0903\u093e-\u094c"
)
_WORD = re.compile(rf"(?:[^\W_]|[{_SIGNS}])+")
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\u061f]\s")
_LONGEST_WORD = 64
"""A longer one is no word that anybody asked for."""

_LEAD = 70
"""How many characters a quote may show before the first word that matches."""


class Piece(msgspec.Struct, frozen=True):
    """A part of a text, and whether it is a word that matches."""

    text: str
    matches: bool = False


class _Match(msgspec.Struct, frozen=True):
    start: int
    end: int
    words: frozenset[int]


def split_matches(text: str, query: str) -> tuple[Piece, ...]:
    """Split a text into the words that the query's match and what is between; joined they are the text."""
    return tuple(_pieces(text, _matches(text, query), 0, len(text)))


def quote(text: str, query: str, *, longest: int) -> tuple[Piece, ...]:
    """Split the part of a text that has most of the query's words: about `longest` characters, whole words.

    An ellipsis stands where something is left out.
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
    wanted = _asked(query)
    if not wanted:
        return []
    return [
        _Match(word.start(), word.end(), shared)
        for word in _WORD.finditer(text)
        if word.end() - word.start() <= _LONGEST_WORD and (shared := _hashes(word[0]) & wanted)
    ]


@lru_cache(64)
def _asked(query: str) -> frozenset[int]:
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
    """Choose where a quote begins: a little before the words that match most, best where a sentence does."""
    anchor = _LEAD
    if matches:
        worth = [(*_worth(matches, number, longest - _LEAD), -number) for number in range(len(matches))]
        anchor = matches[-max(worth)[-1]].start
    earliest = anchor - _LEAD
    if earliest <= 0:
        # A passage is cut from a talk, and may begin in the middle of a sentence.
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
    """Give what of a text is not shown already: neighbouring passages share some of their words.

    Where a text holds the whole of `shown`, that is what is after it, or before it where that is longer.
    """
    place = text.find(shown) if shown else -1
    if place < 0:
        return text
    after, before = text[place + len(shown) :].lstrip(" ,;"), text[:place].rstrip()
    return max(after, before, key=len)


def _worth(matches: list[_Match], first: int, length: int) -> tuple[int, int]:
    """Count which words match, and how often, from one match on for so many characters."""
    until = matches[first].start + length
    within = [match.words for match in matches[first:] if match.end <= until]
    return len(frozenset().union(*within)), len(within)


def _end(text: str, start: int, longest: int) -> int:
    end = start + longest
    if end >= len(text):
        return len(text)
    blank = text.rfind(" ", start + 1, end + 1)
    # A text without blanks, in Japanese for one, is cut anywhere.
    return end if blank < start + longest // 2 else blank
