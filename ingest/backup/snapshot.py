"""`ingest snapshot`: the live version in one file, from which either engine can be filled again."""

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
from rich.console import Console

from ingest.backup.packed_videos import pack
from ingest.backup.snapshot_file import ENGINE, MEMBER_BYTES, VIDEOS, SnapshotWriter, snapshot_of
from ingest.errors import IngestError
from ingest.progress import shown_step
from retrieval.catalogue.manifest import IndexCounts, Manifest, check_servable
from retrieval.durable_files import sync_folder
from retrieval.index.store import IndexStore, VersionExport


class Taken(msgspec.Struct, frozen=True):
    """A snapshot that was taken: of what, and its size in bytes."""

    manifest: Manifest
    size: int


async def take_snapshot(store: IndexStore, path: Path, *, replace: bool, console: Console) -> Taken:
    """Write the live version into a file, which is there once it is whole.

    Raises IngestError where the file is there already and not to be replaced, where a run that writes into
    the live version has not ended, and where the version does not hold what its manifest says; and
    IndexUnavailableError where there is none or this program cannot read it. Raises OSError.

    An embedded index is only read. Beside the file there must be room for a copy of it meanwhile.
    """
    with arriving(path, replace=replace) as (file, scratch):
        async with store.export_live(scratch=scratch) as export:
            if export.manifest.is_partial:
                raise IngestError(
                    "The live version is not whole: a run that writes into it has not ended, or left videos "
                    "behind. Run the same sync again, and then take the snapshot. Nothing was written."
                )
            check_servable(export.manifest, export.manifest.model)
            writer = SnapshotWriter(file, snapshot_of(export.manifest, store.file_format))
            counts = await _write_videos(export, writer, console)
            if counts != export.manifest.counts:
                raise IngestError(
                    f"The live version holds {counts.videos} videos with {counts.passages} passages, and its "
                    f"manifest says {export.manifest.counts.videos} with {export.manifest.counts.passages}. "
                    "Build the index again: python -m ingest sync SOURCE --prune. Nothing was written."
                )
            _write_files(export, writer)
        writer.finish()
        return Taken(export.manifest, file.tell())


async def _write_videos(export: VersionExport, writer: SnapshotWriter, console: Console) -> IndexCounts:
    videos = passages = transcribed = size = 0
    batch: list[msgspec.Raw] = []
    with shown_step(console, "Writing videos", export.manifest.counts.videos) as step:
        async for video in export.videos():
            batch.append(pack(video))
            size += len(memoryview(batch[-1]))
            videos += 1
            passages += len(video.passages)
            transcribed += video.record.passages > 0
            if size >= MEMBER_BYTES:
                writer.add(VIDEOS, msgspec.msgpack.encode(batch))
                step.advance(len(batch))
                batch, size = [], 0
        writer.add(VIDEOS, msgspec.msgpack.encode(batch))
        step.advance(len(batch))
    return IndexCounts(videos=videos, passages=passages, videos_with_transcript=transcribed)


def _write_files(export: VersionExport, writer: SnapshotWriter) -> None:
    batch: list[msgspec.Raw] = []
    size = 0
    for part in export.files():
        batch.append(msgspec.Raw(msgspec.msgpack.encode(part)))
        size += len(memoryview(batch[-1]))
        if size >= MEMBER_BYTES:
            writer.add(ENGINE, msgspec.msgpack.encode(batch))
            batch, size = [], 0
    if batch:
        writer.add(ENGINE, msgspec.msgpack.encode(batch))


@contextmanager
def arriving(path: Path, *, replace: bool) -> Iterator[tuple[BinaryIO, Path]]:
    """Write a file beside its place; it is put there, durably, where the block ends well, else deleted.

    A link stays one: its place is where it leads. With the file comes the name of a folder beside it, for
    what else is needed meanwhile; what a killed snapshot left in it is cleared with its file.
    """
    path = Path(os.path.realpath(path))
    _check_free(path, replace=replace)
    clear_left_behind(path)
    beside, file = _unfinished(path)
    try:
        with file:
            yield file, _scratch_of(beside)
            file.flush()
            os.fsync(file.fileno())
            _check_free(path, replace=replace)
            beside.replace(path)
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _check_free(path: Path, *, replace: bool) -> None:
    if path.is_dir() or (path.exists() and not replace):
        raise IngestError(
            f"{path} is there already. Name another file, or add --replace: it then stays until the new one "
            "is whole. Nothing was written."
        )


def _unfinished(path: Path) -> tuple[Path, BinaryIO]:
    """Make a file beside `path` that is locked until it is closed, under a name that nobody else has.

    A process's number would be no such name: every container counts its own.
    """
    while True:
        beside = path.with_name(f".{path.name}.{token_hex(8)}.unfinished")
        file = beside.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if beside.exists():
            return beside, file
        file.close()  # Before it was locked another snapshot took it for one that was left behind.


def clear_left_behind(path: Path) -> None:
    """Delete what snapshots of this name left that were killed: a file that nobody holds the lock of.

    One that cannot be deleted, as another user's, is in nobody's way.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.unfinished"):
        with suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(_scratch_of(left), ignore_errors=True)
            left.unlink(missing_ok=True)


def _scratch_of(unfinished: Path) -> Path:
    return unfinished.with_suffix(".scratch")
