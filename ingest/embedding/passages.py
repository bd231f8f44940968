"""Division of transcripts into passages, which are short enough to be embedded whole and shown as moments.

Words are separated by whitespace. In scripts without whitespace between words, a word is one character with
its marks and punctuation.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate

import msgspec

from retrieval.catalogue.display_text import clean_for_display
from retrieval.catalogue.manifest import PassageSettings
from retrieval.catalogue.video import NO_TRANSCRIPT_TEXT, Cue, Passage, Video

LONG_CUE = 10.0
"""Seconds. In a longer cue, the time of a word is derived from its position among the cue's words."""

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

# The number of marks is bounded, so that a word stays far below the limit of word pieces.
_CHARACTER = (
    f"[{_OPENING}]{{0,4}}[{_LEADING_VOWELS}]?[{_SPACELESS}]"
    f"(?:[{_MARKS}]|{_STACKED}){{0,16}}[{_CLOSING}]{{0,8}}"
)
_CHARACTER_OR_RUN = re.compile(f"{_CHARACTER}|[^{_SPACELESS}]+?(?=[{_OPENING}]{{0,4}}[{_SPACELESS}]|\\Z)")
_ANY_SPACELESS = re.compile(f"[{_SPACELESS}]")
# Chinese and Japanese have no space between words at the end of a cue.
_BROKEN_BY_CUES = re.compile(f"[{_HAN_AND_KANA}\u3000-\u303f\uff01-\uff65]{{2}}")


class _Words(msgspec.Struct):
    """The words of a transcript in order, and their cues.

    `glued` holds the indices of words without a space before them. `cues` are the cues that have words,
    `firsts` the index of each cue's first word; both are empty for a plain transcript.
    """

    texts: list[str] = []
    glued: set[int] = set()
    cues: list[Cue] = []
    firsts: list[int] = []


def cut_passages(
    video: Video, settings: PassageSettings, *, count_pieces: Callable[[str], int], max_pieces: int = 256
) -> list[Passage]:
    """Divide the transcript of a video into overlapping passages, in order.

    Every word of the transcript, cleaned for display, is in at least one passage. A passage has
    `settings.size` words or up to a quarter less, so that it ends with a sentence, or else with a cue. The
    last one may have up to a quarter more, so that no short passage remains. A passage shares
    `settings.overlap` words with the next one. If it would have more than `max_pieces` word pieces, size and
    overlap are reduced in proportion. A single word with more pieces is a passage marked `truncated`.

    Passages of cues have times, in seconds; their words come from the cues, even if the video also has a
    transcript. A video without words, or with the transcript "n/a", has no passages.

    Args:
        video: The video; its text may be uncleaned and its cues empty, unordered or reversed in time.
        settings: Lengths in words.
        count_pieces: Returns the number of word pieces of a text, including the marks at both ends. A text
            must not have more pieces than its words separately, which is true for WordPiece. It is called
            once for each distinct word of the video; use functools.lru_cache to share the counts between
            videos.
        max_pieces: The maximum number of word pieces that the model reads, including the marks.

    Raises:
        ValueError: The overlap is negative, or not less than the size.
    """
    if not 0 <= settings.overlap < settings.size:
        raise ValueError(
            f"Passages of {settings.size} words cannot overlap by {settings.overlap}: "
            "the overlap must be 0 or more and less than the size."
        )
    words = _words_of(video)
    if not words.texts or [text.casefold() for text in words.texts] == [NO_TRANSCRIPT_TEXT]:
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
    """Add the words of cleaned text; `glued`: there is no space before the first one."""
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
    """Yield the index of the first word of each passage and of the word after its last; both increase.

    `total_pieces[i]` is the number of word pieces before word i; `most` is the limit for several words.
    """
    size, count = settings.size, len(words.texts)
    most_shared = most * settings.overlap // size
    start = end = 0
    while end < count:
        # The window extends past `end`, since `start` was chosen so that one more word fits.
        fitting = bisect_right(total_pieces, total_pieces[start] + most) - 1
        reach = min(max(fitting, start + 1), start + size, count)
        quarter, overlap = (reach - start) // 4, (reach - start) * settings.overlap // size
        if count <= min(fitting, start + size + size // 4):
            end = count
        else:
            earliest = max(end + 1, reach - quarter)
            # The last passage must contain new words too.
            end = _end_of_passage(words, earliest, max(earliest, min(reach, count - quarter)))
        yield start, end
        if end < count:
            shared = bisect_left(total_pieces, total_pieces[end] - most_shared)
            one_more_fits = bisect_left(total_pieces, total_pieces[end + 1] - most)
            start = min(max(start + 1, end - overlap, shared, one_more_fits), end)


def _end_of_passage(words: _Words, earliest: int, latest: int) -> int:
    """Choose the end of a passage: a sentence, else a cue, else a word, else any character."""
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
    """Return the start of the first of these words and the end of the last, in seconds."""
    if not words.cues:
        return None, None
    since, _ = _spoken(words, start)
    _, until = _spoken(words, end - 1)
    return since, max(since, until)


def _spoken(words: _Words, index: int) -> tuple[float, float]:
    """Return the times of a word: those of its cue, or its share of them if the cue is long."""
    place = bisect_right(words.firsts, index) - 1
    start, end = words.cues[place].start, max(words.cues[place].start, words.cues[place].end)
    after = len(words.texts)
    if place + 1 < len(words.cues):
        after = words.firsts[place + 1]
        # A cue may remain on the screen while the next one is spoken.
        following = words.cues[place + 1].start
        if start < following < end:
            end = following
    if end - start <= LONG_CUE:
        return start, end
    first = words.firsts[place]
    word = (end - start) / (after - first)
    return start + (index - first) * word, end - (after - index - 1) * word
