"""The file of a snapshot: a tar archive of small members, what each should be, and what all of it should be.

    vidsearch-snapshot.json    what it is of
    videos/00000000.msgpack    ... the videos, a few megabytes a member
    engine/00000000.msgpack    ... the files of an embedded version, where it is of one
    SHA256SUMS                 of every member above, as sha256sum writes and checks them
    (the archive's end)
    sha256 HEX                 of every byte above this line

Any tar unpacks it. This module reads less than any tar does: plain files of these names, in one pass, once
the last line is found to hold. Nothing is compressed, so nothing takes more room on disk than it has here. In
memory what a member packs takes several times its size, which is one reason why there is a largest one.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from ingest.errors import IngestError, SourceError
from retrieval.catalogue.manifest import Manifest

FORMAT = 1
"""Raised whenever an older program would misread the file."""

VIDEOS = "videos"
ENGINE = "engine"
MEMBER_BYTES = 4 << 20
"""About how large a member should be."""

LARGEST_MEMBER = 64 << 20
"""A video is in one member with all its passages: 15,000 of them are the most, 150 hours of talk."""

_SNAPSHOT = "vidsearch-snapshot.json"
_SUMS = "SHA256SUMS"
_MEMBER = re.compile(rf"(?:{VIDEOS}|{ENGINE})/[0-9]{{8}}\.msgpack")
_SUM = re.compile(rb"([0-9a-f]{64})  ([!-~]{1,100})")
_LAST_LINE = re.compile(rb"sha256 ([0-9a-f]{64})\n")
_LAST_LINE_BYTES = len("sha256 ") + 64 + 1
_BLOCK = 1 << 20
_RECORD = tarfile.BLOCKSIZE
_END = bytes(2 * _RECORD)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is a snapshot of. `engine_files` names the format of the files in it, None without any."""

    format: int
    manifest: Manifest
    taken_at: datetime
    engine_files: str | None = None


class _Format(msgspec.Struct, frozen=True):
    format: int


class SnapshotWriter:
    """Writes a snapshot from its first byte to its last."""

    def __init__(self, file: BinaryIO, snapshot: Snapshot) -> None:
        """Begin a file that is a snapshot of this. Raises OSError."""
        self._file = file
        self._whole = hashlib.sha256()
        self._sums: list[str] = []
        self._members = 0
        self._taken_at = int(snapshot.taken_at.timestamp())
        self._add(_SNAPSHOT, msgspec.json.format(msgspec.json.encode(snapshot)))

    def add(self, kind: str, content: bytes) -> None:
        """Add a member with videos, or with files of the engine. Raises IngestError where it is too large."""
        if len(content) > LARGEST_MEMBER:
            raise IngestError(
                f"A video is too large for a snapshot: {len(content):,} bytes with its passages."
            )
        self._add(f"{kind}/{self._members:08}.msgpack", content)
        self._members += 1

    def finish(self) -> None:
        """Write what the file is checked by, to the last line."""
        self._add(_SUMS, "".join(self._sums).encode())
        self._write(_END)
        self._file.write(f"sha256 {self._whole.hexdigest()}\n".encode())

    def _add(self, name: str, content: bytes) -> None:
        head = tarfile.TarInfo(name)
        head.size, head.mtime = len(content), self._taken_at
        self._write(head.tobuf(tarfile.USTAR_FORMAT))
        self._write(content)
        self._write(bytes(-len(content) % _RECORD))
        self._sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")

    def _write(self, content: bytes) -> None:
        self._whole.update(content)
        self._file.write(content)


class SnapshotFile:
    """A snapshot that was found to be as it was written. `size` is in bytes."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Check the whole file. Raises SourceError for any other file, and for one that is damaged."""
        self.path = path
        self.size = os.fstat(file.fileno()).st_size
        self._file = file
        self._check_whole()
        self._sums = self._read_sums()
        self.snapshot = self._read_snapshot()

    def members(self, kind: str) -> Iterator[bytes]:
        """Read the members of a kind, each once it is found to be what was written.

        Raises SourceError where the file is not what it was when it was opened.
        """
        for name, size in self._heads():
            if name.startswith(f"{kind}/"):
                yield self._content(name, size)

    def refused(self, why: str) -> SourceError:
        """Make the error for a file that is whole and cannot be used."""
        return SourceError(f"{self.path}: {why}")

    def _check_whole(self) -> None:
        """Raise SourceError unless the file begins as a snapshot does and is what its last line says."""
        self._file.seek(0)
        if self._file.read(len(_SNAPSHOT) + 1) != f"{_SNAPSHOT}\0".encode():
            raise self.refused("is no snapshot of an index; ingest snapshot makes them. Nothing was changed.")
        digest = hashlib.sha256()
        self._file.seek(0)
        left = self.size - _LAST_LINE_BYTES
        while left > 0 and (block := self._file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
        last = _LAST_LINE.fullmatch(self._file.read(_LAST_LINE_BYTES + 1))
        if left or last is None or last[1].decode() != digest.hexdigest():
            raise self.refused(
                "is damaged or cut short: it is not what its last line says. Take another copy of it, or an "
                "older snapshot. Nothing was changed."
            )

    def _heads(self) -> Iterator[tuple[str, int]]:
        """Give each member's name and size in bytes, with the file at its content."""
        at = 0
        while at < self.size:
            self._file.seek(at)
            head = self._file.read(_RECORD)
            if head == bytes(_RECORD):
                return
            try:
                member = tarfile.TarInfo.frombuf(head, "ascii", "strict")
            except (tarfile.HeaderError, UnicodeDecodeError) as e:
                raise self._odd(f"byte {at:,} begins no member") from e
            is_known = member.name in (_SNAPSHOT, _SUMS) or _MEMBER.fullmatch(member.name)
            if member.type != tarfile.REGTYPE or not is_known or not 0 <= member.size <= LARGEST_MEMBER:
                raise self._odd(f"{member.name!r}, {member.size:,} bytes, is no member of a snapshot")
            yield member.name, member.size
            at += _RECORD + member.size + -member.size % _RECORD

    def _read_sums(self) -> dict[str, bytes]:
        """Read what each member should be."""
        for name, size in self._heads():
            if name == _SUMS:
                lines = self._file.read(size).splitlines()
                matches = [_SUM.fullmatch(line) for line in lines]
                return {match[2].decode(): bytes.fromhex(match[1].decode()) for match in matches if match}
        raise self._odd(f"it has no {_SUMS}")

    def _read_snapshot(self) -> Snapshot:
        name, size = next(self._heads())
        content = self._content(name, size)
        try:
            found = msgspec.json.decode(content, type=_Format).format
            if found != FORMAT:
                raise self.refused(
                    f"is a snapshot of format {found}, and this program reads format {FORMAT}. Restore it "
                    "with the version of this program that made it, or a newer one. Nothing was changed."
                )
            return msgspec.json.decode(content, type=Snapshot)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise self._odd(f"{name} cannot be read: {e}") from e

    def _content(self, name: str, size: int) -> bytes:
        content = self._file.read(size)
        if hashlib.sha256(content).digest() != self._sums.get(name):
            raise self._odd(f"{name} is not what {_SUMS} says")
        return content

    def _odd(self, why: str) -> SourceError:
        return self.refused(
            f"was not made by ingest snapshot, or has changed since it was read: {why}. The live index is as "
            "it was."
        )


@contextmanager
def opened_snapshot(path: Path) -> Iterator[SnapshotFile]:
    """Open a snapshot and check it whole. Raises SourceError for any other file, or a damaged one."""
    try:
        file = path.open("rb")
    except OSError as e:
        raise SourceError(f"{path}: cannot be read: {e.strerror or e}. Nothing was changed.") from e
    with file:
        yield SnapshotFile(path, file)


def snapshot_of(manifest: Manifest, engine_files: str | None) -> Snapshot:
    """Say what a snapshot that is taken now is of."""
    return Snapshot(format=FORMAT, manifest=manifest, taken_at=datetime.now(UTC), engine_files=engine_files)
