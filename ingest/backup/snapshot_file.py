"""The file of a snapshot: a tar archive of small members, with checksums of the members and of the file.

    vidsearch-snapshot.json    the manifest and the format
    videos/00000000.msgpack    ... the videos, a few megabytes per member
    engine/00000000.msgpack    ... the files of an embedded version, if it is one
    SHA256SUMS                 the checksum of every member above, in the format of sha256sum
    (the end of the archive)
    sha256 HEX                 the checksum of every byte above this line

Any tar program can unpack it. This module accepts less than tar does: only regular files with these names,
and only after the last line was verified. Nothing is compressed, so the contents never need more disk space
than the file. Unpacked members need several times their size in memory, so their size is limited.
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
"""Incremented when older programs would misread the file."""

VIDEOS = "videos"
ENGINE = "engine"
MEMBER_BYTES = 4 << 20
"""The approximate size of a member."""

LARGEST_MEMBER = 64 << 20
"""A member contains at least one whole video: at most about 15,000 passages, or 150 hours of speech."""

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
    """The description of a snapshot. `engine_files` is the format of the engine's files in it, if any."""

    format: int
    manifest: Manifest
    taken_at: datetime
    engine_files: str | None = None


class _Format(msgspec.Struct, frozen=True):
    format: int


class SnapshotWriter:
    """Writes a snapshot, sequentially."""

    def __init__(self, file: BinaryIO, snapshot: Snapshot) -> None:
        """Write the description. Raises OSError."""
        self._file = file
        self._whole = hashlib.sha256()
        self._sums: list[str] = []
        self._members = 0
        self._taken_at = int(snapshot.taken_at.timestamp())
        self._add(_SNAPSHOT, msgspec.json.format(msgspec.json.encode(snapshot)))

    def add(self, kind: str, content: bytes) -> None:
        """Add a member with videos or files of the engine. Raises IngestError if it is too large."""
        if len(content) > LARGEST_MEMBER:
            raise IngestError(
                f"A video is too large for a snapshot: {len(content):,} bytes with its passages."
            )
        self._add(f"{kind}/{self._members:08}.msgpack", content)
        self._members += 1

    def finish(self) -> None:
        """Write the checksums."""
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
    """A verified snapshot. `size` is in bytes."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Verify the whole file. Raises SourceError if it is damaged or not a snapshot."""
        self.path = path
        self.size = os.fstat(file.fileno()).st_size
        self._file = file
        self._check_whole()
        self._sums = self._read_sums()
        self.snapshot = self._read_snapshot()

    def members(self, kind: str) -> Iterator[bytes]:
        """Read the members of a kind and verify each.

        Raises SourceError if the file has changed since it was opened.
        """
        for name, size in self._heads():
            if name.startswith(f"{kind}/"):
                yield self._content(name, size)

    def refused(self, why: str) -> SourceError:
        """Build the error for a complete file that cannot be used."""
        return SourceError(f"{self.path}: {why}")

    def _check_whole(self) -> None:
        """Raise SourceError unless the file starts like a snapshot and its last line matches its contents."""
        self._file.seek(0)
        if self._file.read(len(_SNAPSHOT) + 1) != f"{_SNAPSHOT}\0".encode():
            raise self.refused("is not a snapshot written by ingest snapshot. Nothing was changed.")
        digest = hashlib.sha256()
        self._file.seek(0)
        left = self.size - _LAST_LINE_BYTES
        while left > 0 and (block := self._file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
        last = _LAST_LINE.fullmatch(self._file.read(_LAST_LINE_BYTES + 1))
        if left or last is None or last[1].decode() != digest.hexdigest():
            raise self.refused(
                "is damaged or truncated: the checksum in its last line does not match. Use another copy, or "
                "an older snapshot. Nothing was changed."
            )

    def _heads(self) -> Iterator[tuple[str, int]]:
        """Return each member's name and size in bytes, with the file positioned at its content."""
        at = 0
        while at < self.size:
            self._file.seek(at)
            head = self._file.read(_RECORD)
            if head == bytes(_RECORD):
                return
            try:
                member = tarfile.TarInfo.frombuf(head, "ascii", "strict")
            except (tarfile.HeaderError, UnicodeDecodeError) as e:
                raise self._invalid(f"there is no member at byte {at:,}") from e
            is_known = member.name in (_SNAPSHOT, _SUMS) or _MEMBER.fullmatch(member.name)
            if member.type != tarfile.REGTYPE or not is_known or not 0 <= member.size <= LARGEST_MEMBER:
                raise self._invalid(f"{member.name!r}, {member.size:,} bytes, is not a valid member")
            yield member.name, member.size
            at += _RECORD + member.size + -member.size % _RECORD

    def _read_sums(self) -> dict[str, bytes]:
        """Read the checksum of each member."""
        for name, size in self._heads():
            if name == _SUMS:
                lines = self._file.read(size).splitlines()
                matches = [_SUM.fullmatch(line) for line in lines]
                return {match[2].decode(): bytes.fromhex(match[1].decode()) for match in matches if match}
        raise self._invalid(f"it has no {_SUMS}")

    def _read_snapshot(self) -> Snapshot:
        name, size = next(self._heads())
        content = self._content(name, size)
        try:
            found = msgspec.json.decode(content, type=_Format).format
            if found != FORMAT:
                raise self.refused(
                    f"is a snapshot of format {found}, but this program reads format {FORMAT}. Restore it "
                    "with the version of this program that wrote it, or a newer one. Nothing was changed."
                )
            return msgspec.json.decode(content, type=Snapshot)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise self._invalid(f"{name} cannot be read: {e}") from e

    def _content(self, name: str, size: int) -> bytes:
        content = self._file.read(size)
        if hashlib.sha256(content).digest() != self._sums.get(name):
            raise self._invalid(f"{name} does not match {_SUMS}")
        return content

    def _invalid(self, why: str) -> SourceError:
        return self.refused(
            f"was not written by ingest snapshot, or changed while it was read: {why}. The live index is "
            "unchanged."
        )


@contextmanager
def opened_snapshot(path: Path) -> Iterator[SnapshotFile]:
    """Open a snapshot and verify the whole file. Raises SourceError if it is damaged or not a snapshot."""
    try:
        file = path.open("rb")
    except OSError as e:
        raise SourceError(f"{path}: cannot be read: {e.strerror or e}. Nothing was changed.") from e
    with file:
        yield SnapshotFile(path, file)


def snapshot_of(manifest: Manifest, engine_files: str | None) -> Snapshot:
    """Build the description of a snapshot taken now."""
    return Snapshot(format=FORMAT, manifest=manifest, taken_at=datetime.now(UTC), engine_files=engine_files)
