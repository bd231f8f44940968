"""Transcripts that only state that there is no transcript, or that no one speaks (pure)."""

import re
from typing import Final

from retrieval.catalogue.video import NO_TRANSCRIPT

_LONGEST_PLACEHOLDER: Final = 10_000
_LONGEST_FAILURE: Final = 1_000
_UNSPOKEN: Final = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[♪♫]")
_NOTHING: Final = frozenset(
    {"", NO_TRANSCRIPT, "na", "null", "none", "nan", "undefined", "no transcript", "not available"}
)

_FAILURE: Final = re.compile(
    r"""could\ not\ (?:retrieve|fetch|get|find)\ (?:a\ |the\ |any\ )?(?:transcripts?|captions|subtitles)
      | (?:transcripts?|captions|subtitles)\ (?:is|are)\ (?:disabled|not\ available|unavailable)
      | no\ (?:transcripts?|captions|subtitles)\ (?:was\ |were\ |is\ |are\ )?(?:found|available)
      | (?:this\ )?video\ (?:is\ )?(?:unavailable|private|no\ longer\ available)
      | (?:please\ )?enable\ (?:javascript|cookies)
      | checking\ your\ browser | access\ denied | too\ many\ requests | request\ blocked
      | (?:http\ |error\ |http\ error\ )+[45]\d\d\b
      | traceback\ \(most\ recent\ call\ last\)
      | <!doctype | <html | \{\s*"error"
    """,
    re.VERBOSE,
)
"""The beginnings of error texts that programs store in place of a transcript."""


def is_placeholder(transcript: str) -> bool:
    """Whether a text is no transcript: "n/a", an error message, or only sounds such as [Music]."""
    if len(transcript) > _LONGEST_PLACEHOLDER:
        return False
    words = " ".join(_UNSPOKEN.sub(" ", transcript).casefold().split()).strip(" .-_")
    return words in _NOTHING or (len(words) <= _LONGEST_FAILURE and _FAILURE.match(words) is not None)
