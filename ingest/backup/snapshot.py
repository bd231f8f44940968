"""`ingest snapshot`: writes the live version to one file that can be restored on either engine."""

import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

import msgspec

from ingest.backup.packed_videos import pack
from ingest.backup.snapshot_file import ENGINE, MEMBER_BYTES, VIDEOS, SnapshotWriter, snapshot_of
from ingest.errors import IngestError
from ingest.progress import shown_step
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import IndexCounts, Manifest, check_servable
from retrieval.catalogue.wording import counted
from retrieval.durable_files import sync_folder
from retrieval.index.store import IndexStore, VersionExport


class Taken(msgspec.Struct, frozen=True):
    """A snapshot that was written: the manifest of its version, and its size in bytes."""

    manifest: Manifest
    size: int


async def take_snapshot(store: IndexStore, path: Path, *, replace: bool, console: Terminal) -> Taken:
    """Write the live version to a file, which appears under its name once it is complete.

    Raises IngestError if the file exists and `replace` is not set, if a run that writes into the live version
    has not ended, or if the version does not match its manifest. Raises IndexUnavailableError if there is no
    version or this program cannot read it. Raises OSError.

    An embedded index is only read. The folder of the file needs space for a copy of the index as well.
    """
    with new_file(path, replace=replace) as (file, scratch):
        async with store.export_live(scratch=scratch) as export:
            if export.manifest.is_partial:
                raise IngestError(
                    "The live version is incomplete: a run that writes into it has not ended, or left "
                    "incomplete videos behind. Run the same sync again first. Nothing was written."
                )
            check_servable(export.manifest, export.manifest.model)
            writer = SnapshotWriter(file, snapshot_of(export.manifest, store.file_format))
            counts = await _write_videos(export, writer, console)
            if counts != export.manifest.counts:
                raise IngestError(
                    f"The live version contains {counted(counts.videos, 'video')} and "
                    f"{counted(counts.passages, 'passage')}, but its manifest says "
                    f"{export.manifest.counts.videos:,} and {export.manifest.counts.passages:,}. Rebuild the "
                    "index: python -m ingest sync SOURCE --prune. Nothing was written."
                )
            _write_files(export, writer)
        writer.finish()
        return Taken(export.manifest, file.tell())


async def _write_videos(export: VersionExport, writer: SnapshotWriter, console: Terminal) -> IndexCounts:
    passages = transcribed = 0
    members = _Members(writer, VIDEOS)
    with shown_step(console, "Writing videos", export.manifest.counts.videos) as advance:
        async for video in export.videos():
            members.add(pack(video))
            passages += len(video.passages)
            transcribed += video.record.passages > 0
            advance(1)
        members.finish()
    return IndexCounts(videos=members.items, passages=passages, videos_with_transcript=transcribed)


def _write_files(export: VersionExport, writer: SnapshotWriter) -> None:
    members = _Members(writer, ENGINE)
    for part in export.files():
        members.add(msgspec.Raw(msgspec.msgpack.encode(part)))
    members.finish()


class _Members:
    """Collects encoded items into members of about MEMBER_BYTES."""

    def __init__(self, writer: SnapshotWriter, kind: str) -> None:
        self.items = 0
        self._writer = writer
        self._kind = kind
        self._batch: list[msgspec.Raw] = []
        self._size = 0

    def add(self, item: msgspec.Raw) -> None:
        self.items += 1
        self._batch.append(item)
        self._size += len(memoryview(item))
        if self._size >= MEMBER_BYTES:
            self.finish()

    def finish(self) -> None:
        if self._batch:
            self._writer.add(self._kind, msgspec.msgpack.encode(self._batch))
            self._batch, self._size = [], 0


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a temporary file that is renamed to `path`, durably, if the block succeeds, and otherwise deleted.

    If `path` is a link, its target is replaced. The second value is a scratch folder next to the file, which
    may be created. Files and scratch folders that killed snapshots left behind are deleted first.
    """
    path = Path(os.path.realpath(path))
    _check_free(path, replace=replace)
    clear_left_behind(path)
    temporary, file = _unfinished(path)
    try:
        with file:
            yield file, _scratch_of(temporary)
            file.flush()
            os.fsync(file.fileno())
            _check_free(path, replace=replace)
            temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _check_free(path: Path, *, replace: bool) -> None:
    if path.is_dir() or (path.exists() and not replace):
        raise IngestError(
            f"{path} already exists. Name another file, or add --replace: the old file is kept until the new "
            "one is complete. Nothing was written."
        )


def _unfinished(path: Path) -> tuple[Path, BinaryIO]:
    """Create a file next to `path` with a unique name, locked until it is closed.

    A process id is not unique: containers may have the same ones.
    """
    while True:
        temporary = path.with_name(f".{path.name}.{token_hex(8)}.unfinished")
        file = temporary.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, file
        file.close()  # Before the file was locked, another snapshot deleted it as left behind.


def clear_left_behind(path: Path) -> None:
    """Delete the unlocked temporary files of this name: they belong to killed snapshots.

    A file that cannot be deleted, such as another user's, is skipped.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.unfinished"):
        with suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(_scratch_of(left), ignore_errors=True)
            left.unlink(missing_ok=True)


def _scratch_of(unfinished: Path) -> Path:
    return unfinished.with_suffix(".scratch")
