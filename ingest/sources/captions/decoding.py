"""Detection of the encoding of a caption file, and its text."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from ingest.rows.row import Severity

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Twelve hours of automatic captions with a time for each word take a tenth of this."""

# UTF-32's little-endian byte order mark begins with UTF-16's, so it is tried first.
_MARKS: Final = (
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES: Final = 4096
_TYPICAL_RUN: Final = 200
"""Characters. Up to one invalid character in so many is damage; more are another encoding."""


class CaptionFileError(Exception):
    """A file without usable captions; `code` is the stable reason, the text states what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FileProblem(NamedTuple):
    """A problem of a caption file, which is reported with its row."""

    code: str
    message: str
    severity: Severity


def read_caption_text(path: Path) -> tuple[str, tuple[FileProblem, ...]]:
    """Return the text of a file, and its problems.

    Raises CaptionFileError for a file that cannot be read, is empty, far too large, or not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CaptionFileError("unreadable", f"cannot be read ({error.strerror}); check the file") from error
    if not data:
        raise CaptionFileError("no-cues", "is empty (0 bytes); download or export it again")
    if len(data) > MAX_FILE_BYTES:
        raise CaptionFileError(
            "too-large",
            f"is larger than {MAX_FILE_BYTES // 2**20} MiB, too large for captions; check the file",
        )
    text, damaged = decode(data)
    if not damaged:
        return text, ()
    message = f"contains {damaged:,} invalid characters, replaced by U+FFFD; save the file as UTF-8"
    return text, (FileProblem("damaged-text", message, "warning"),)


def open_caption_text(path: Path) -> TextIO:
    """Open a file that is too large to be read at once. Raises OSError.

    Bytes that are invalid in its encoding become U+FFFD.
    """
    with path.open("rb") as file:
        encoding = _encoding(file.read(_SAMPLE_BYTES))
    return path.open(encoding=encoding, errors="replace")


def decode(data: bytes) -> tuple[str, int]:
    """Return the text and the number of invalid characters, which are replaced by U+FFFD.

    Unicode is recognised by its byte order mark or, without one, by the positions of the zero bytes of
    UTF-16. Raises CaptionFileError for a file with many invalid bytes: it has a national encoding, and a
    wrong guess would silently produce other words.
    """
    encoding = _encoding(data)
    try:
        return data.decode(encoding), 0
    except UnicodeDecodeError as error:
        text = data.decode(encoding, "replace")
        damaged = text.count("\N{REPLACEMENT CHARACTER}")
        beyond_ascii = sum(not character.isascii() for character in text) - damaged
        if damaged < beyond_ascii or damaged * _TYPICAL_RUN <= len(text):
            return text, damaged
        where = f"is not {error.encoding} at byte {error.start:,}"
        raise CaptionFileError("not-utf-8", f"{where}; save the file as UTF-8") from error


def _encoding(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    # In UTF-16, each digit and colon of the times has a zero byte, always on the same side.
    sample = data[:_SAMPLE_BYTES]
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if second * 16 > len(sample) and second > 4 * first:
        return "utf-16-le"
    if first * 16 > len(sample) and first > 4 * second:
        return "utf-16-be"
    return "utf-8-sig"
