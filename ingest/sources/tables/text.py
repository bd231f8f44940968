"""The text of a table: UTF-8, plain or gzipped, as a stream of lines of limited length."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from ingest.errors import SourceError

MAX_LINE_CHARACTERS: Final = 128 * 1024 * 1024

_GZIP_MARK: Final = b"\x1f\x8b"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise errors that concern the whole file as a SourceError that names it.

    A truncated or damaged gzip file is not used at all, however many rows were read: the missing rows would
    count as removed from the catalogue.
    """
    try:
        yield
    except EOFError as error:
        raise SourceError(f"{path}: is a truncated gzip file; copy or download it again") from error
    except (BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path}: is a damaged gzip file ({error}); copy or download it again") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, and decompress it if its content is gzip."""
    file = path.open("rb")
    if not file.peek(len(_GZIP_MARK)).startswith(_GZIP_MARK):
        return file
    file.close()
    return cast("BinaryIO", gzip.open(path))


def open_text(path: Path, newline: str) -> TextIO:
    """Open a table's text; `newline` as in `open`.

    A byte that is not UTF-8 becomes a lone surrogate, which the check of the row reports.
    """
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def lines_of(file: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines with their line ends. Raises SourceError for a line that is too long for the memory."""
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == MAX_LINE_CHARACTERS and not line.endswith(("\n", "\r")):
            raise SourceError(
                f"{path}: line {number:,} is longer than {MAX_LINE_CHARACTERS:,} characters; "
                "write one row per line"
            )
        yield line
