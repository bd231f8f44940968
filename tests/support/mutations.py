"""Damaged files: real and synthetic ones with random changes, reproducible by their seed."""

import gzip
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.support.caption_data import REAL_CAPTIONS, rolling_srt, rolling_vtt, timed_text

LINES = (
    "hi everyone and welcome",
    "yeah",
    "to &amp; the show",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645",
)
PIECES = [{"text": line, "start": 2.5 * n, "duration": 4.0} for n, line in enumerate(LINES * 3)]
SEGMENTS = [
    {"id": n, "start": 2.0 * n, "end": 2.0 * n + 2, "text": f" {line}"} for n, line in enumerate(LINES)
]
EVENTS = [
    {
        "tStartMs": 2000 * n,
        "dDurationMs": 4100,
        "segs": [{"utf8": word, "tOffsetMs": 9} for word in line.split()],
    }
    for n, line in enumerate(LINES)
]
INFO = {
    "id": "abc-DEF_123",
    "title": "A Talk",
    "timestamp": 1_717_083_690,
    "upload_date": "20240530",
    "webpage_url": "https://www.youtube.com/watch?v=abc-DEF_123",
    "tags": ["one", "two"],
    "duration": 754.2,
    "subtitles": {"en": [{"ext": "vtt"}]},
    "automatic_captions": {"en-orig": []},
    "_type": "video",
}
ROWS = [{"video_id": f"v{n}", "title": line, "cues": json.dumps(SEGMENTS)} for n, line in enumerate(LINES)]

TOKENS = [
    *("-->", "->", "00:00:01,500", "1:2:3:4", "\n", "\r", "\n\n", "<", ">", "<v ", "<00:00:01.5>", "{\\"),
    "}",
    *("&", "&amp", ";", "&#x110000;", "\0", "\ufeff", "\u202e", "\u200b", "\ud800", "\x85", "\u2028"),
    "\uff1a",
    *('"', "\\", "[", "]", "{", "{}", ":", ",", "null", "NaN", "-1", "1e999", "9" * 400, "true", "WEBVTT"),
    "NOTE",
    *("<p begin='1s'>", "</p>", "<br/>", "<!DOCTYPE tt [<!ENTITY a 'b'>]>", "&a;", "<![CDATA[", "<!--"),
    *("X-TIMESTAMP-MAP=LOCAL:00:00:01.000", '"text":', '"start":', '"segs":', '"title":', "'", "  ", "\t"),
]
_LONG = 60_000


@cache
def _seeds(name: str) -> tuple[bytes, ...]:
    """Return well-formed contents for a file of this name."""
    kind = name.partition(".")[2]
    real = [path.read_bytes() for path in sorted(REAL_CAPTIONS.glob(f"*.{kind}"))]
    lines = "\n".join(json.dumps(row) for row in ROWS)
    cells = [json.dumps(row["cues"]).replace('\\"', '""') for row in ROWS]
    table = "video_id,title,cues\n" + "\n".join(
        f"v{n},{line},{cell}" for n, (line, cell) in enumerate(zip(LINES, cells, strict=True))
    )
    made: dict[str, list[str]] = {
        "vtt": [rolling_vtt(LINES * 5)],
        "srt": [rolling_srt(LINES * 5)],
        "sbv": [
            "".join(f"0:00:{n:02}.000,0:00:{n + 1:02}.500\n{line}\n\n" for n, line in enumerate(LINES * 5))
        ],
        "ttml": [timed_text(LINES * 5)],
        "json3": [json.dumps({"wireMagic": "pb3", "events": EVENTS})],
        "list.json": [json.dumps(PIECES), json.dumps([*PIECES, {"title": "A Talk"}])],
        "dump.json": [
            json.dumps([[*PIECES[:3], {"title": line}] for line in LINES]),
            json.dumps({"a": PIECES}),
        ],
        "whisper.json": [
            json.dumps({"text": "x", "segments": SEGMENTS, "language": "en"}),
            json.dumps(SEGMENTS),
        ],
        "info.json": [json.dumps(INFO), json.dumps(INFO, indent=1)],
        "csv": [table],
        "csv.gz": [table],
        "jsonl": [lines],
        "jsonl.gz": [lines],
    }
    contents = [*real, *(text.encode() for text in made[kind])]
    if kind.endswith(".gz"):
        contents = [gzip.compress(content, mtime=0) for content in contents]
    return tuple(contents)


def mutated_files(name: str, count: int, *, seed: int) -> Iterator[bytes]:
    """Yield `count` contents for a file of this name, each with one to six kinds of damage."""
    random = Random(f"{seed} {name}")
    seeds = _seeds(name)
    for _ in range(count):
        content = random.choice(seeds)
        # Random bytes rarely leave valid JSON, so half of the JSON files only get other values.
        if "json" in name and random.random() < 0.5:
            content = _change_values(content, random, seeds)
            damages = random.choice((0, 0, 0, 1))
        else:
            damages = random.choice((1, 1, 2, 3, 6))
        for _ in range(damages):
            content = random.choice(_MUTATIONS)(content, random, seeds)
        yield content


Mutation = Callable[[bytes, Random, tuple[bytes, ...]], bytes]


def _place(content: bytes, random: Random) -> int:
    return random.randint(0, len(content))


def _slice(content: bytes, random: Random) -> tuple[int, int]:
    start = _place(content, random)
    return start, min(len(content), start + random.choice((1, 2, 8, 64, 1024)))


def _token(random: Random) -> bytes:
    return random.choice(TOKENS).encode("utf-8", "surrogatepass")


def _flip(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 4, 32)) if changed else 0):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _remove(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    start, end = _slice(content, random)
    return content[:start] + content[end:]


def _repeat(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    start, end = _slice(content, random)
    return content[:end] + content[start:end] * random.choice((1, 2, 30)) + content[end:]


def _insert(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    for _ in range(random.choice((1, 3, 12))):
        at = _place(content, random)
        content = content[:at] + _token(random) + content[at:]
    return content


def _insert_long(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    at, token = _place(content, random), _token(random) + _token(random)
    return content[:at] + token * (random.choice((100, 1000, _LONG)) // len(token)) + content[at:]


def _cut(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    return content[: _place(content, random)]


def _splice(content: bytes, random: Random, seeds: tuple[bytes, ...]) -> bytes:
    other = random.choice(seeds)
    return content[: _place(content, random)] + other[_place(other, random) :]


def _shuffle(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    lines = content.split(b"\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _write_otherwise(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(random.choice(("utf-16", "utf-16-be", "utf-8-sig", "utf-32", "cp1256")), "replace")


def _end_lines_otherwise(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    return content.replace(b"\n", random.choice((b"\r", b"\r\n", b"\n\n", b" ", b"")))


_ODD_VALUES = (
    *(None, True, -1, 0, 1.5, 1e308, float("nan"), float("inf"), 10**400, 2**63, "", " ", "9", "NaN"),
    *("\ud800", "\0"),
    *([], {}, [[]], [None], {"text": "x"}, {"title": "x"}, "<v x>y", "00:00:01", "x" * 5000),
)


def _change_values(content: bytes, random: Random, _: tuple[bytes, ...]) -> bytes:
    """Change a document's values and keys and leave it JSON; anything else stays as it is."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    for _ in range(random.choice((1, 2, 5))):
        holder, key = _any_place(document, random)
        if holder is None:
            return content
        if random.random() < 0.7:
            # A copy: the next change may be made inside it.
            holder[key] = deepcopy(random.choice(_ODD_VALUES))
        elif isinstance(holder, list):
            holder[key:key] = deepcopy(holder[max(0, key - 20) : key + 1])
        else:
            holder[random.choice(("text", "segments", "events", "title", "id", "start", "utf8", "x"))] = (
                holder.pop(key)
            )
    try:
        return json.dumps(document).encode()
    except (ValueError, RecursionError):
        return content


def _any_place(document: Any, random: Random) -> tuple[Any, Any]:
    """Walk down from the top, at every step to any child, and stop anywhere."""
    holder = key = None
    while isinstance(document, list | dict) and document:
        holder = document
        key = random.randrange(len(document)) if isinstance(document, list) else random.choice(list(document))
        document = document[key]
        if random.random() < 0.25:
            break
    return holder, key


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _remove, _repeat, _insert, _insert_long, _cut, _splice, _shuffle),
    *(_write_otherwise, _end_lines_otherwise),
)

NAMES = (
    *("a.vtt", "a.srt", "a.sbv", "a.ttml", "a.json3", "a.list.json", "a.dump.json", "a.whisper.json"),
    "a.info.json",
    *("a.csv", "a.jsonl", "a.csv.gz", "a.jsonl.gz"),
)
"""One name for each parser."""


def write_mutated(folder: Path, name: str, content: bytes) -> Path:
    """Write the file, and return what is to be opened: an info file is read through its folder."""
    path = folder / name
    path.write_bytes(content)
    return folder if name.endswith(".info.json") else path
