"""Hostile texts for parsers, engines, pages, terminals and logs. Each contains a marker."""

import json
import random
from collections.abc import Callable, Iterator, Mapping

MARKER = "zq7mark"
"""The marker in every hostile text, followed by the text's number. No model or page contains it."""

LONG_CHARACTERS = 1_000_000
EVERY_LONG = 500
"""One of this many texts has a megabyte."""

TAGS = (
    "<script>alert('{0}')</script>",
    "<img src=x onerror=alert('{0}')>",
    "</script><svg onload={0}>",
    "\"'><iframe srcdoc={0}>",
    "<!--{0}--><style>*{{x:{0}}}</style>",
)
_OTHERS = (
    "\x00{0}\x00",
    "{0}\x00 after the end",
    "\ud800{0}",
    "{0}\udfff\ud800",
    "\u202e{0}\u202d\u2066\u200f",
    "\u05e9\u05dc\u05d5\u05dd {0} \u0645\u0631\u062d\u0628\u0627",
    "(a+)+${0}(",
    ".*{0}[^\\",
    "(?P<{0}>",
    "'; DROP TABLE videos; --{0}",
    "{{{{7*7}}}}${{jndi:ldap://{0}}}%s%n",
    "{0}\r\nX-Injected: {0}\r\n\r\n<html>",
    '{0}\n{{"level":"error","event":"made up"}}',
    "\x1b[2J\x1b]0;{0}\x07",
    "../../../etc/{0}%00%2e%2e%2f",
    "{0}&query=twice&limit=-1#%ZZ",
    "\ufeff\u200b{0}\u2028\u2029\x85",
    "{0}" + "\u0301" * 200,
    "\U0001f469\u200d\U0001f4bb{0}\U0010ffff\ufdd0\uffff",
    '"\\u0000{0}\\',
    "=cmd|'/c {0}'!A0",
    " {0} ",
)
_ALPHABET = (
    "\x00\x01\x1b\r\n\t \"'\\/<>&%{}[]()*+?.^$|#;:-_=~`@!aZ09"
    "\u00e9\u0301\u05d0\u202e\u200d\ud800\udfff\U0001f3ac"
)


def mark(number: int) -> str:
    """Return the marker of one text."""
    return f"{MARKER}{number}x"


def hostile_texts(count: int, *, seed: int) -> Iterator[str]:
    """Generate texts: half of the known kinds, half of random characters, and a few of a megabyte."""
    chance = random.Random(seed)
    known = (*TAGS, *_OTHERS)
    for number in range(count):
        marker = mark(number)
        if number % EVERY_LONG == EVERY_LONG // 2:
            yield marker + chance.choice(_ALPHABET) * (LONG_CHARACTERS - len(marker))
        elif number % 2:
            noise = "".join(chance.choices(_ALPHABET, k=chance.choice((3, 30, 300, 2_100))))
            place = chance.randrange(len(noise))
            yield noise[:place] + marker + noise[place:]
        else:
            yield known[number // 2 % len(known)].format(marker)


def hostile_rows(count: int, *, seed: int) -> Iterator[Mapping[str, object]]:
    """Generate catalogue rows with a hostile text in every text field."""
    texts = hostile_texts(count * 6, seed=seed)
    for number in range(count):
        title, said, channel, language, tag, address = (next(texts) for _ in range(6))
        row: dict[str, object] = {
            "video_id": f"{channel[:60]}{number}" if number % 3 == 0 else f"video{number}",
            "title": title,
            "transcript": said,
            "channel": channel,
            "language": language,
            "tags": [tag],
            "url": f"https://example.com/{address}" if number % 2 else f"javascript:{address}",
        }
        yield row


def tags_of(text: str) -> list[str]:
    """Return the hostile tags that a page contains unescaped."""
    starts = [tag.partition("{0}")[0] + MARKER for tag in TAGS]
    return [start for start in starts if start in text]


def decoded(body: bytes) -> object:
    """Parse JSON strictly: UTF-8, and no NaN or Infinity."""
    return json.loads(body.decode("utf-8"), parse_constant=_refuse)


def _refuse(name: str) -> Callable[[], None]:
    raise ValueError(f"{name} is not JSON")
