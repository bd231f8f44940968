"""The text of a table: UTF-8, plain or gzipped, as a stream whose lines have an end somewhere."""

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
    """Tell what goes wrong with the file as a whole as a SourceError that names it.

    A gzipped file that ends early or is damaged is no source, however many of its rows were read: what is
    missing would look as if it had been taken out of the catalogue.
    """
    try:
        yield
    except EOFError as error:
        raise SourceError(f"{path}: is gzipped and ends before its end; copy or download it again") from error
    except (BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path}: is damaged gzip ({error}); copy or download it again") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacked on the way if it is gzipped, whatever its name says."""
    file = path.open("rb")
    if not file.peek(len(_GZIP_MARK)).startswith(_GZIP_MARK):
        return file
    file.close()
    return cast("BinaryIO", gzip.open(path))


def open_text(path: Path, newline: str) -> TextIO:
    """Open a table's text; `newline` as in `open`.

    A byte that is not UTF-8 becomes half a character, which the row's check then finds and tells.
    """
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def lines_of(file: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines with their ends; a line past all reason would fill the memory, and is a SourceError."""
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == MAX_LINE_CHARACTERS and not line.endswith(("\n", "\r")):
            raise SourceError(
                f"{path}: line {number:,} is longer than {MAX_LINE_CHARACTERS:,} characters; "
                "write one row a line"
            )
        yield line
