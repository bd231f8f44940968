"""An engine's own files on their way from one folder to another: piece by piece, and without their holes."""

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
_LARGEST = 1 << 44
"""Bytes of a file, holes included: 16 TiB, which is as much as file systems allow."""

_MOST_FILES = 100_000
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_DEEPEST = 16


class FilePart(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a file: where it is, relative to the folder, how long it is whole, and `data` at `offset`.

    A file's parts follow each other from its beginning to its end; what lies between them is zeros.
    """

    path: str
    size: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
    offset: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
    data: bytes


def parts_of(files: Mapping[str, BinaryIO]) -> Iterator[FilePart]:
    """Read files, by their paths, to their ends. The same content always comes in the same parts.

    Raises IndexUnavailableError for a path that `write_parts` would not take.
    """
    for path, file in files.items():
        _check_name(path)
        size = os.fstat(file.fileno()).st_size
        is_empty = True
        for start, stop in written_parts(file.fileno(), size):
            file.seek(start)
            # Up to the next multiple, wherever the file system says that something begins.
            while data := file.read(min(_PART - file.tell() % _PART, stop - file.tell())):
                at = file.tell() - len(data)
                for first, end in _not_zero(data):
                    yield FilePart(path, size, at + first, data[first:end])
                    is_empty = False
        if is_empty:
            yield FilePart(path, size, 0, b"")


def _not_zero(data: bytes) -> Iterator[tuple[int, int]]:
    """Find the runs of pages in which there is anything: pairs of offsets, the second exclusive.

    The engine has whole files of zeros in memory, which file systems that keep no holes write out.
    """
    padded = np.frombuffer(data.ljust(-(-len(data) // _PAGE) * _PAGE, b"\0"), np.uint8)
    has_any = padded.reshape(-1, _PAGE).any(axis=1)
    edges = np.flatnonzero(np.diff(has_any, prepend=False, append=False)).tolist()
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        yield first * _PAGE, min(end * _PAGE, len(data))


def write_parts(folder: Path, parts: Iterable[FilePart]) -> None:
    """Make the files of which these are the parts, below a folder that holds nothing yet.

    Raises IndexUnavailableError for a path that would lead out of the folder or is no name of an engine's,
    for one file in two places of the sequence, and for parts that do not fit their file. Raises OSError.
    """
    path, made = None, 0
    file: BinaryIO | None = None
    try:
        for part in parts:
            if part.path != path:
                if file:
                    file.close()
                path, made = part.path, made + 1
                file = _new_file(folder, part, made)
            if file is None or not file.tell() <= part.offset <= part.size - len(part.data):
                raise IndexUnavailableError(f"The parts of the file {part.path!r} do not fit together.")
            file.seek(part.offset)
            file.write(part.data)
    finally:
        if file:
            file.close()


def _check_name(path: str) -> None:
    names = PurePosixPath(path).parts
    is_safe = 0 < len(names) <= _DEEPEST and all(map(_NAME.fullmatch, names))
    if not is_safe or "/".join(names) != path:
        raise IndexUnavailableError(f"{path!r} is no file of an index.")


def _new_file(folder: Path, part: FilePart, ordinal: int) -> BinaryIO:
    _check_name(part.path)
    if ordinal > _MOST_FILES:
        raise IndexUnavailableError(f"{part.path!r} is one file more than an index has.")
    path = folder / part.path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = path.open("xb")
    except FileExistsError as e:
        raise IndexUnavailableError(f"The file {part.path!r} comes twice.") from e
    file.truncate(part.size)
    return file
