"""Dumps of transcripts that are better not held at once, read one entry at a time.

A thousand videos by youtube-transcript-api are 77 MiB of JSON, and ten times that as Python's objects.
"""

import json
from collections.abc import Iterator, Mapping
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, TextIO

from ingest.sources.captions import decoding
from ingest.sources.captions.decoding import CaptionFileError, open_caption_text
from ingest.sources.captions.json_transcripts import holds_pieces, is_piece, transcripts_of_entry
from ingest.sources.captions.subtitles import Transcript

LARGE_DUMP_BYTES: Final = 8 << 20
"""From here on memory counts: read whole, such a file takes about 80 MiB."""
CHUNK_CHARACTERS: Final = 1 << 20
MAX_ENTRY_CHARACTERS: Final = 64 * 1024 * 1024
_EMPTY_ENTRIES: Final = 1000
"""After so many entries without a transcript at the beginning it is something else that this is a list of."""

_decoder = json.JSONDecoder()
_BLANKS: Final = " \t\r\n"


def is_large_dump(path: Path) -> bool:
    """Say whether a file is to be tried as a dump first. Raises OSError."""
    return path.suffix.lower() == ".json" and path.stat().st_size > LARGE_DUMP_BYTES


def read_dump(path: Path) -> Iterator[Transcript]:
    """Yield the transcripts in a list of them or in an object by video id, as `parse_json_transcripts` does.

    Memory holds one entry. Raises CaptionFileError, after the transcripts before it, where the file is no
    JSON or no such list.
    """
    try:
        with open_caption_text(path) as file:
            yield from _transcripts(_Entries(file))
    except OSError as error:
        raise CaptionFileError("unreadable", f"cannot be read ({error.strerror}); check the file") from error


def _transcripts(entries: "_Entries") -> Iterator[Transcript]:
    found: list[Transcript | None] = []
    is_known = False
    for key, entry in entries:
        if holds_pieces(key, entry) or (key is None and not is_known and is_piece(entry)):
            raise CaptionFileError(
                "too-large", f"is one transcript of more than {_limit()}, no captions are; check the file"
            )
        if key is not None and not isinstance(entry, list | Mapping):
            raise _not_a_dump()
        found += transcripts_of_entry(key, entry)
        is_known = is_known or any(found)
        if is_known:
            yield from (transcript or Transcript(cues=[]) for transcript in found)
            found.clear()
        elif len(found) > _EMPTY_ENTRIES:
            break
    if not is_known:
        raise _not_a_dump()


def _limit() -> str:
    return f"{decoding.MAX_FILE_BYTES // 2**20} MiB"


def _not_a_dump() -> CaptionFileError:
    return CaptionFileError(
        "not-a-transcript",
        f"is larger than {_limit()} and no list of transcripts nor an object of them by video id; "
        "a catalogue is a .jsonl with one object a line",
    )


class _Entries:
    """The entries of a list, or of an object with their keys, decoded as they are asked for."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._number = 0

    def __iter__(self) -> Iterator[tuple[str | None, Any]]:
        closing = {"[": "]", "{": "}"}.get(self._next())
        if closing is None:
            raise _not_a_dump() if self._next() else self._invalid("it ends")
        self._number = 1
        self._take("[{")
        if self._next() == closing:
            self._take(closing)
        else:
            yield from self._entries(closing)
        if self._next():
            raise self._invalid("more follows its end")

    def _entries(self, closing: str) -> Iterator[tuple[str | None, Any]]:
        following = ","
        while following == ",":
            key = None
            if closing == "}":
                key = self._value()
                if not isinstance(key, str):
                    raise self._invalid("a key is no text")
                self._take(":")
            yield key, self._value()
            self._number += 1
            following = self._take(f",{closing}")

    def _next(self) -> str:
        """Return the next character that is not blank, or an empty text at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANKS:
                    return self._text[self._at]
                self._at += 1
            if not self._read_on():
                return ""

    def _take(self, expected: str) -> str:
        found = self._next()
        if not found or found not in expected:
            raise self._invalid(f"{' or '.join(expected)} is missing")
        self._at += 1
        return found

    def _value(self) -> Any:
        """Decode the value that begins here, reading on for as long as it has no end."""
        self._next()
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._read_on():
                    continue
                raise self._invalid(
                    error.msg if isinstance(error, JSONDecodeError) else str(error)
                ) from error
            # A number that the text so far ends with may go on.
            if end < len(self._text) or not self._read_on():
                self._at = end
                return value

    def _read_on(self) -> bool:
        """Read on, and say whether there was more.

        As much again as is waiting is read, so that decoding it anew takes linear time in all.
        """
        waiting = self._text[self._at :]
        if len(waiting) > MAX_ENTRY_CHARACTERS:
            raise CaptionFileError(
                "too-large",
                f"has an entry of more than {MAX_ENTRY_CHARACTERS:,} characters, number {self._number:,}; "
                "no captions are so long, check the file",
            )
        more = self._file.read(max(CHUNK_CHARACTERS, len(waiting)))
        self._text, self._at = waiting + more, 0
        return bool(more)

    def _invalid(self, reason: str) -> CaptionFileError:
        return CaptionFileError(
            "invalid-json",
            f"is not JSON from its entry {max(self._number, 1):,} on ({reason}); download or export it again",
        )
