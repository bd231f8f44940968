"""Generations: the folders that hold the versions of an embedded index, and the pointer to the live one.

    INDEX_DIR/
      CURRENT              names the live generation and the previous one; replaced by a rename
      generations/NAME/    one version: manifest.json and a folder per collection; never changed once live
      building/NAME/       an unfinished version; after a crash, the next run deletes it

A version becomes live in three durable steps: it is completed and synced under `building`, it is renamed
into `generations`, and CURRENT names it. After a crash between any two steps, the old version is live.
"""

import shutil
from pathlib import Path

import msgspec

from retrieval.catalogue.manifest import Manifest, new_version_name
from retrieval.durable_files import (
    copy_sparse,
    discard_replacements,
    replace_file,
    sync_folder,
    sync_tree,
)
from retrieval.errors import IndexUnavailableError, UnreadableVersionError

POINTER_FILE = "CURRENT"
MANIFEST_FILE = "manifest.json"


class Pointer(msgspec.Struct, frozen=True):
    """The names of the live generation and of the previous one."""

    live: str
    previous: str | None = None


class Generations:
    """The generations under one INDEX_DIR. A caller that builds holds `file_lock`."""

    def __init__(self, index_dir: Path) -> None:
        self.index_dir = index_dir
        self._finished = index_dir / "generations"
        self._building = index_dir / "building"

    def pointer(self) -> Pointer | None:
        """Read the pointer; None before the first publish. This blocks if the disk hangs.

        Raises UnreadableVersionError if the pointer exists and cannot be read.
        """
        path = self.index_dir / POINTER_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Pointer)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
            raise UnreadableVersionError(
                f"{path} cannot be read: {e}. Restore a snapshot, or delete it and build the index again: "
                "python -m ingest sync SOURCE"
            ) from e

    def folder(self, name: str) -> Path:
        """Return the folder of a finished generation."""
        return self._finished / name

    def manifest(self, name: str) -> Manifest:
        """Read a finished generation's manifest. Raises UnreadableVersionError if it cannot be read."""
        path = self.folder(name) / MANIFEST_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
            raise UnreadableVersionError(f"{path} cannot be read: {e}") from e

    def start(self, *, copy_of: str | None = None) -> Path:
        """Create the folder of a new generation, empty or as a copy of a finished one.

        Unfinished generations of earlier runs are deleted.
        """
        self.discard_unfinished()
        folder = self._building / new_version_name()
        if copy_of is None:
            folder.mkdir(parents=True)
        else:
            shutil.copytree(self.folder(copy_of), folder, copy_function=copy_sparse)
        return folder

    def publish(self, built: Path, manifest: Manifest) -> None:
        """Write the manifest of a built generation and make it the live one. The previous one is kept."""
        replace_file(built / MANIFEST_FILE, msgspec.json.format(msgspec.json.encode(manifest)))
        sync_tree(built)
        self._finished.mkdir(parents=True, exist_ok=True)
        built.rename(self.folder(built.name))
        sync_folder(self._finished)
        self._switch(built.name)

    def roll_back(self) -> Pointer:
        """Make the previous generation live again; the one that was live becomes the previous one.

        Raises IndexUnavailableError if there is no previous generation, or its manifest cannot be read.
        """
        pointer = self.pointer()
        if pointer is None or pointer.previous is None or not self.folder(pointer.previous).is_dir():
            raise IndexUnavailableError(f"There is no previous version in {self.index_dir} to go back to.")
        self.manifest(pointer.previous)
        return self._switch(pointer.previous)

    def discard_unfinished(self) -> None:
        """Delete the generations that were started and never published."""
        shutil.rmtree(self._building, ignore_errors=True)

    def discard_unused(self) -> None:
        """Delete everything that killed runs left: call it only while no other run is in progress.

        These are unfinished generations, and finished ones that the pointer does not name. If the pointer
        cannot be read, finished generations stay until one is published.
        """
        self.discard_unfinished()
        discard_replacements(self.index_dir / POINTER_FILE)
        pointer = self._readable_pointer()
        if pointer:
            self._discard_all_but(pointer)

    def _switch(self, name: str) -> Pointer:
        before = self._readable_pointer()
        pointer = Pointer(live=name, previous=before.live if before else None)
        replace_file(self.index_dir / POINTER_FILE, msgspec.json.encode(pointer))
        self._discard_all_but(pointer)
        return pointer

    def _readable_pointer(self) -> Pointer | None:
        try:
            return self.pointer()
        except UnreadableVersionError:
            return None

    def _discard_all_but(self, pointer: Pointer) -> None:
        for folder in self._finished.glob("*"):
            if folder.name not in (pointer.live, pointer.previous):
                shutil.rmtree(folder, ignore_errors=True)
