"""Copies an engine's files from one folder to another in parts, without the holes of sparse files."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO

import msgspec
import numpy as np

from retrieval.durable_files import written_parts
from retrieval.errors import IndexUnavailableError

_PART = 4 << 20
_PAGE = 4096
_MAX_BYTES = 1 << 44
"""The largest file, holes included: 16 TiB, the limit of common file systems."""

_MAX_FILES = 100_000
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_MAX_DEPTH = 16


class FilePart(msgspec.Struct, frozen=True, array_like=True):
    """A part of a file: its path relative to the folder, the size of the whole file, and `data` at `offset`.

    The parts of a file are in ascending order of their offsets; the bytes between them are zeros.
    """

    path: str
    size: Annotated[int, msgspec.Meta(ge=0, le=_MAX_BYTES)]
    offset: Annotated[int, msgspec.Meta(ge=0, le=_MAX_BYTES)]
    data: bytes


def parts_of(files: Mapping[str, BinaryIO]) -> Iterator[FilePart]:
    """Read these files, by path, completely. The same content always gives the same parts.

    Raises IndexUnavailableError for a path that `write_parts` would refuse.
    """
    for path, file in files.items():
        _check_name(path)
        size = os.fstat(file.fileno()).st_size
        is_empty = True
        for start, stop in written_parts(file.fileno(), size):
            file.seek(start)
            # Up to the next multiple of the part size, wherever the file system reports the start of data.
            while data := file.read(min(_PART - file.tell() % _PART, stop - file.tell())):
                at = file.tell() - len(data)
                for first, end in _not_zero(data):
                    yield FilePart(path, size, at + first, data[first:end])
                    is_empty = False
        if is_empty:
            yield FilePart(path, size, 0, b"")


def _not_zero(data: bytes) -> Iterator[tuple[int, int]]:
    """Find the runs of pages that are not all zeros: pairs of offsets, the second exclusive.

    The engine writes files that are mostly zeros, and not every file system stores them as holes.
    """
    padded = np.frombuffer(data.ljust(-(-len(data) // _PAGE) * _PAGE, b"\0"), np.uint8)
    has_any = padded.reshape(-1, _PAGE).any(axis=1)
    edges = np.flatnonzero(np.diff(has_any, prepend=False, append=False)).tolist()
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        yield first * _PAGE, min(end * _PAGE, len(data))


def write_parts(folder: Path, parts: Iterable[FilePart]) -> None:
    """Write the files that these parts describe into an empty folder.

    Raises IndexUnavailableError for a path that leads out of the folder or contains unusual characters, for a
    file that appears in two places of the sequence, and for parts that do not fit their file. Raises OSError.
    """
    path, files = None, 0
    file: BinaryIO | None = None
    try:
        for part in parts:
            if part.path != path:
                if file:
                    file.close()
                path, files = part.path, files + 1
                file = _new_file(folder, part, files)
            if file is None or not file.tell() <= part.offset <= part.size - len(part.data):
                raise IndexUnavailableError(f"The parts of the file {part.path!r} do not fit together.")
            file.seek(part.offset)
            file.write(part.data)
    finally:
        if file:
            file.close()


def _check_name(path: str) -> None:
    names = PurePosixPath(path).parts
    is_safe = 0 < len(names) <= _MAX_DEPTH and all(map(_NAME.fullmatch, names))
    if not is_safe or "/".join(names) != path:
        raise IndexUnavailableError(f"{path!r} is not a file of an index.")


def _new_file(folder: Path, part: FilePart, ordinal: int) -> BinaryIO:
    _check_name(part.path)
    if ordinal > _MAX_FILES:
        raise IndexUnavailableError(f"{part.path!r} is one file more than an index may have.")
    path = folder / part.path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = path.open("xb")
    except FileExistsError as e:
        raise IndexUnavailableError(f"The file {part.path!r} appears twice.") from e
    file.truncate(part.size)
    return file
