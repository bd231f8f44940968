"""The text of a caption file, whatever a program wrote it as."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from pathlib import Path
from typing import Final, TextIO

from ingest.rows.row import Severity

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Twelve hours of automatic captions, with a time for each word, are a tenth of this."""

# UTF-32's little-endian mark begins with UTF-16's, so it is looked for first.
_MARKS: Final = (
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES: Final = 4096
_TYPICAL_RUN: Final = 200
"""Characters; one damaged in so many is damage, more are another encoding."""


class CaptionFileError(Exception):
    """A file that gives no captions; `code` is the stable reason, the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Telling = tuple[str, str, Severity]
"""Something to tell about a file that was read all the same: its code, the message, how bad it is."""


def read_caption_text(path: Path) -> tuple[str, tuple[Telling, ...]]:
    """Return the text of a file, and what there is to tell about it.

    Raises CaptionFileError for a file that cannot be read, is empty, far too large, or no text.
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
            f"is larger than {MAX_FILE_BYTES // 2**20} MiB, no video's captions are; check the file",
        )
    text, damaged = decode(data)
    if not damaged:
        return text, ()
    what = f"{damaged:,} damaged characters are shown as U+FFFD; save the file as UTF-8"
    return text, (("damaged-text", what, "warning"),)


def open_caption_text(path: Path) -> TextIO:
    """Open a file that is too large to be read whole. Raises OSError.

    What is not of its encoding becomes U+FFFD.
    """
    with path.open("rb") as file:
        encoding = _encoding(file.read(_SAMPLE_BYTES))
    return path.open(encoding=encoding, errors="replace")


def decode(data: bytes) -> tuple[str, int]:
    """Return the text, and how many of its characters were damaged.

    Unicode is told by its mark or, without one, by where the zero bytes of UTF-16 stand. A file with a few
    bytes that are wrong is still read. Raises CaptionFileError for one with many: it is in an encoding of
    some country's, and to guess which would turn its words into other ones without a word about it.
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
        where = f"byte {error.start:,} is not {error.encoding}"
        raise CaptionFileError("not-utf-8", f"{where}; save the file as UTF-8") from error


def _encoding(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    # The digits and colons of its times have a zero byte each in UTF-16, all on the same side.
    sample = data[:_SAMPLE_BYTES]
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if second * 16 > len(sample) and second > 4 * first:
        return "utf-16-le"
    if first * 16 > len(sample) and first > 4 * second:
        return "utf-16-be"
    return "utf-8-sig"
