"""Transcripts cut into passages: short enough to be embedded whole and shown as moments.

A word here is what stands between blanks. Scripts that put no blanks between words have no such thing,
so in those a word is one character with the marks and punctuation that belong to it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate

import msgspec

from retrieval.catalogue.display_text import clean_for_display
from retrieval.catalogue.manifest import PassageSettings
from retrieval.catalogue.video import NO_TRANSCRIPT, Cue, Passage, Video

LONG_CUE = 10.0
"""Seconds. In a cue that lasts longer, a word's time follows from its position among the cue's words."""

_SENTENCE_ENDS = tuple(
    ".!?\u2026\u3002\uff01\uff1f\uff0e\uff61\u061f\u06d4\u0964\u0965\u104b\u17d4\u17d5\u0f0d\u0f0e"
)
_QUOTES_AND_BRACKETS = "\"'*_)]}\u2019\u201d\u00bb\u3009\u300b\u300d\u300f\u3011\u3015\uff09"

_HAN_AND_KANA = (
    "\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003fffd"
)
# With Thai, Lao, Tibetan, Burmese and Khmer.
_SPACELESS = _HAN_AND_KANA + "\u0e00-\u109f\u1780-\u17ff"
# Vowel signs, tone marks, stacked consonants, long-vowel marks and variation selectors.
_MARKS = (
    "\u0300-\u036f\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebc\u0ec6-\u0ece\u0f0b-\u0f14\u0f71-\u0f84\u0f8d-\u0fbc"
    "\u102b-\u103e\u104a\u104b\u17b4-\u17da\u200c\u200d\u3099\u309a\u30fc\uff70\uff9e\uff9f\ufe00-\ufe0f"
)
_STACKED = "(?<=[\u1039\u17d2])[\u1000-\u102a\u1780-\u17b3]"
_LEADING_VOWELS = "\u0e40-\u0e44\u0ec0-\u0ec4"
_OPENING = "(\u2018\u201c\u3008\u300a\u300c\u300e\u3010\u3014\uff08"
_CLOSING = (
    ",.!?:;)\u2019\u201d\u2026\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3015\u30fb"
    "\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\uff61\uff64"
)

# What follows a character is bounded, so that a word stays far below the limit of word pieces.
_CHARACTER = (
    f"[{_OPENING}]{{0,4}}[{_LEADING_VOWELS}]?[{_SPACELESS}]"
    f"(?:[{_MARKS}]|{_STACKED}){{0,16}}[{_CLOSING}]{{0,8}}"
)
_CHARACTER_OR_RUN = re.compile(f"{_CHARACTER}|[^{_SPACELESS}]+?(?=[{_OPENING}]{{0,4}}[{_SPACELESS}]|\\Z)")
_ANY_SPACELESS = re.compile(f"[{_SPACELESS}]")
# Chinese and Japanese have no blank where a caption happens to break a sentence.
_BROKEN_BY_CUES = re.compile(f"[{_HAN_AND_KANA}\u3000-\u303f\uff01-\uff65]{{2}}")


class _Words(msgspec.Struct):
    """The words of a transcript in order, and where they come from.

    `glued` holds the indices of words that no blank separates from the word before. `cues` are the cues
    that have words, `firsts` the index of each one's first word; both are empty for a plain transcript.
    """

    texts: list[str] = []
    glued: set[int] = set()
    cues: list[Cue] = []
    firsts: list[int] = []


def cut_passages(
    video: Video, settings: PassageSettings, *, count_pieces: Callable[[str], int], max_pieces: int = 256
) -> list[Passage]:
    """Cut the transcript of a video into overlapping passages, in order.

    Every word of the transcript, cleaned for display, is in at least one passage. A passage has
    `settings.size` words or up to a quarter less, so as to end with a sentence, or else with a cue; the
    last may have up to a quarter more, so as to leave no scrap behind. It shares `settings.overlap` words
    with the next one. Where that would be over `max_pieces` word pieces both are cut down in proportion;
    only a single word that is over it by itself is left so, in a passage that is marked `truncated`.

    Passages of cues have times, in seconds; the words then come from the cues, even where the video has
    a transcript too. A video without any words, or with "n/a" for them, has no passages.

    Args:
        video: The video; its text may be uncleaned and its cues empty, unordered or reversed in time.
        settings: Lengths in words.
        count_pieces: The number of word pieces the model reads for a text, its marks at both ends
            included. A text must not have more pieces than its words have one by one, which holds for
            WordPiece. Each distinct word of the video is counted once; give a function that remembers
            (functools.lru_cache) to count it once for a whole catalogue.
        max_pieces: The most word pieces that the model reads, marks included.

    Raises:
        ValueError: The overlap is negative or not less than the size.
    """
    if not 0 <= settings.overlap < settings.size:
        raise ValueError(
            f"Passages of {settings.size} words cannot overlap by {settings.overlap}: "
            "the overlap must be 0 or more and less than the size."
        )
    words = _words_of(video)
    if not words.texts or [text.casefold() for text in words.texts] == [NO_TRANSCRIPT]:
        return []
    marks = count_pieces("")
    pieces = {text: count_pieces(text) - marks for text in set(words.texts)}
    total_pieces = list(accumulate((pieces[text] for text in words.texts), initial=0))
    most = max_pieces - marks
    passages = []
    for start, end in _windows(words, settings, total_pieces, most):
        since, until = _times(words, start, end)
        truncated = total_pieces[end] - total_pieces[start] > most
        passages.append(Passage(_text(words, start, end), since, until, truncated))
    return passages


def count_words(text: str) -> int:
    """Count the words of a text as passages do, but for what cleaning it for display would change."""
    if not _ANY_SPACELESS.search(text):
        return len(text.split())
    return sum(len(_CHARACTER_OR_RUN.findall(spaced)) for spaced in text.split())


def _words_of(video: Video) -> _Words:
    words = _Words()
    for cue in video.cues:
        text = clean_for_display(cue.text)
        if text:
            broken = bool(words.texts) and _BROKEN_BY_CUES.match(words.texts[-1][-1] + text[0]) is not None
            words.cues.append(cue)
            words.firsts.append(len(words.texts))
            _add_words(words, text, glued=broken)
    if not words.texts:
        text = clean_for_display(video.transcript or "")
        if text:
            _add_words(words, text, glued=False)
    return words


def _add_words(words: _Words, text: str, *, glued: bool) -> None:
    """Add the words of cleaned text; `glued` says that its first one has no blank before it."""
    if glued:
        words.glued.add(len(words.texts))
    if not _ANY_SPACELESS.search(text):
        words.texts += text.split(" ")
        return
    for spaced in text.split(" "):
        characters = _CHARACTER_OR_RUN.findall(spaced)
        words.glued.update(range(len(words.texts) + 1, len(words.texts) + len(characters)))
        words.texts += characters


def _windows(
    words: _Words, settings: PassageSettings, total_pieces: list[int], most: int
) -> Iterator[tuple[int, int]]:
    """Give the first word of each passage and the word after its last; both only ever grow.

    `total_pieces[i]` is the number of word pieces before word i; a window of several words has at `most`
    so many.
    """
    size, count = settings.size, len(words.texts)
    most_shared = most * settings.overlap // size
    start = end = 0
    while end < count:
        # The window reaches past `end`, since `start` was chosen so that one word more would fit.
        fitting = bisect_right(total_pieces, total_pieces[start] + most) - 1
        reach = min(max(fitting, start + 1), start + size, count)
        quarter, overlap = (reach - start) // 4, (reach - start) * settings.overlap // size
        if count <= min(fitting, start + size + size // 4):
            end = count
        else:
            earliest = max(end + 1, reach - quarter)
            # The last passage is to have something new to say too.
            end = _end_of_passage(words, earliest, max(earliest, min(reach, count - quarter)))
        yield start, end
        if end < count:
            shared = bisect_left(total_pieces, total_pieces[end] - most_shared)
            one_more_fits = bisect_left(total_pieces, total_pieces[end + 1] - most)
            start = min(max(start + 1, end - overlap, shared, one_more_fits), end)


def _end_of_passage(words: _Words, earliest: int, latest: int) -> int:
    """Choose where a passage is to end: with a sentence, else with a cue, else with a word, else anywhere."""
    for end in range(latest, earliest - 1, -1):
        if words.texts[end - 1].rstrip(_QUOTES_AND_BRACKETS).endswith(_SENTENCE_ENDS):
            return end
    cue = bisect_right(words.firsts, latest) - 1
    if cue >= 0 and words.firsts[cue] >= earliest:
        return words.firsts[cue]
    return next((end for end in range(latest, earliest - 1, -1) if end not in words.glued), latest)


def _text(words: _Words, start: int, end: int) -> str:
    if not words.glued:
        return " ".join(words.texts[start:end])
    spelled = (
        text if index in words.glued else f" {text}"
        for index, text in enumerate(words.texts[start:end], start)
    )
    return "".join(spelled).removeprefix(" ")


def _times(words: _Words, start: int, end: int) -> tuple[float, float] | tuple[None, None]:
    """Give when the first of these words begins and when the last ends, in seconds."""
    if not words.cues:
        return None, None
    since, _ = _spoken(words, start)
    _, until = _spoken(words, end - 1)
    return since, max(since, until)


def _spoken(words: _Words, index: int) -> tuple[float, float]:
    """Give the time of a word: its cue's, or its share of it if the cue is long."""
    place = bisect_right(words.firsts, index) - 1
    start, end = words.cues[place].start, max(words.cues[place].start, words.cues[place].end)
    after = len(words.texts)
    if place + 1 < len(words.cues):
        after = words.firsts[place + 1]
        # A cue may stay on the screen while the next is spoken already.
        following = words.cues[place + 1].start
        if start < following < end:
            end = following
    if end - start <= LONG_CUE:
        return start, end
    first = words.firsts[place]
    word = (end - start) / (after - first)
    return start + (index - first) * word, end - (after - index - 1) * word
