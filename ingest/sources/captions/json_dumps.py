"""Dumps of transcripts that are too large to be loaded at once, read one entry at a time.

A thousand videos from youtube-transcript-api are 77 MiB of JSON, and ten times that as Python objects.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import ijson

from ingest.sources.captions import decoding
from ingest.sources.captions.decoding import CaptionFileError, open_caption_text
from ingest.sources.captions.json_transcripts import holds_pieces, is_piece, transcripts_of_entry
from ingest.sources.captions.subtitles import Transcript

LARGE_DUMP_BYTES: Final = 8 << 20
"""Larger files are read one entry at a time. Loaded at once, such a file takes about 80 MiB of memory."""
CHUNK_CHARACTERS: Final = 1 << 16
MAX_ENTRY_CHARACTERS: Final = 64 * 1024 * 1024
_EMPTY_ENTRIES: Final = 1000
"""A file that begins with so many entries without a transcript is a list of something else."""


def is_large_dump(path: Path) -> bool:
    """Whether a file is tried as a dump first. Raises OSError."""
    return path.suffix.lower() == ".json" and path.stat().st_size > LARGE_DUMP_BYTES


def read_dump(path: Path) -> Iterator[Transcript]:
    """Yield the transcripts in a list or in an object by video id, as `parse_json_transcripts` returns them.

    Memory holds one entry. Raises CaptionFileError, after the transcripts before the fault, if the file is
    not JSON or not such a list or object.
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
                "too-large",
                f"is one transcript of more than {_limit()}, too large for captions; check the file",
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
        f"is larger than {_limit()}, and neither a list of transcripts nor an object of them by video id; a "
        "catalogue must be a .jsonl file with one object per line",
    )


class _Entries:
    """The entries of a list (with the key None) or of an object, decoded when they are requested.

    It is the file that ijson reads, because it counts the characters of each entry.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._peeked = ""
        self._number = 1
        self._characters = 0

    def __iter__(self) -> Iterator[tuple[str | None, Any]]:
        opening = self._peek()
        if opening not in {"[", "{"}:
            raise _not_a_dump() if opening else self._invalid("it is empty")
        read = {"use_float": True, "buf_size": CHUNK_CHARACTERS}
        try:
            if opening == "[":
                yield from self._counted((None, entry) for entry in ijson.items(self, "item", **read))
            else:
                yield from self._counted(ijson.kvitems(self, "", **read))
        except (ijson.JSONError, ValueError, RecursionError) as error:
            raise self._invalid(str(error).partition("\n")[0].strip() or type(error).__name__) from error

    def _counted(self, entries: Iterator[tuple[str | None, Any]]) -> Iterator[tuple[str | None, Any]]:
        for entry in entries:
            self._number += 1
            self._characters = 0
            yield entry

    def _peek(self) -> str:
        """Return the first character that is not blank, or an empty text if there is none."""
        while chunk := self._file.read(CHUNK_CHARACTERS):
            if rest := chunk.lstrip(" \t\r\n"):
                self._peeked = rest
                return rest[0]
        return ""

    def read(self, characters: int) -> bytes:
        """Read on, as UTF-8. Raises CaptionFileError if the entry is too long."""
        if self._characters > MAX_ENTRY_CHARACTERS:
            raise CaptionFileError(
                "too-large",
                f"has an entry of more than {MAX_ENTRY_CHARACTERS:,} characters, number {self._number:,}, "
                "too long for captions; check the file",
            )
        if characters == 0:  # ijson checks with this whether the file is binary.
            return b""
        text = self._peeked or self._file.read(characters)
        self._peeked = ""
        self._characters += len(text)
        return text.encode()

    def _invalid(self, reason: str) -> CaptionFileError:
        return CaptionFileError(
            "invalid-json",
            f"is not JSON from its entry {self._number:,} on ({reason}); download or export it again",
        )
