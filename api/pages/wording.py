"""Times, dates, latencies, languages and shortened texts as the pages show them. Pure."""

from datetime import datetime, timedelta
from itertools import islice

from retrieval.catalogue.languages import LANGUAGE_NAMES
from retrieval.catalogue.wording import counted
from retrieval.text.matching import ELLIPSIS

LONGEST_CHANNEL = 80
"""Characters of a channel's name that a page shows."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MOST_DAYS_AGO = 45
_INITIALS = 2


def clock(seconds: float) -> str:
    """Format a position in a video or its duration: `1:05`, `1:00:05`."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(moment: datetime) -> str:
    """Format a date: `3 Sep 2022`."""
    return f"{moment.day} {moment:%b} {moment.year}"


def ago(then: datetime, now: datetime) -> str:
    """Format how long ago an event was: `5 minutes ago`, or its date if that is more than 45 days."""
    passed = max(timedelta(), now - then)
    seconds = passed.total_seconds()
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{counted(int(seconds // _MINUTE), 'minute')} ago"
    if seconds < _DAY:
        return f"{counted(int(seconds // _HOUR), 'hour')} ago"
    if passed.days > _MOST_DAYS_AGO:
        return f"on {day(then)}"
    return "yesterday" if passed.days == 1 else f"{passed.days} days ago"


def cut(text: str, longest: int) -> str:
    """Shorten a text to `longest` characters, plus an ellipsis if any were removed."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()}{ELLIPSIS}"


def initials(title: str) -> str:
    """Return the first letters of a title's first two words, for the placeholder of a thumbnail."""
    first = (next(filter(str.isalnum, word), "") for word in title.split())
    return "".join(islice(filter(None, first), _INITIALS)).upper()


def latency(seconds: float) -> str:
    """Format a latency with two significant digits: `4.2 ms`, `35 ms`, `120 ms`, `1.2 s`."""
    thousandths = float(f"{seconds * 1000:.2g}")
    return f"{thousandths:g} ms" if thousandths < 1000 else f"{thousandths / 1000:g} s"  # noqa: PLR2004


def language_code(tag: str | None) -> str | None:
    """Return the ISO 639-1 code of a language tag such as `de-AT`, or None if it has none."""
    code = (tag or "").partition("-")[0].lower()
    return code if code in LANGUAGE_NAMES else None


def language_name(tag: str) -> str:
    """Return the name of a language: `German`, `German (de-AT)`, or the tag itself if it is unknown."""
    code = language_code(tag)
    if code is None:
        return tag
    return LANGUAGE_NAMES[code] if tag == code else f"{LANGUAGE_NAMES[code]} ({tag})"
