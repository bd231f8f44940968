"""The store protocols: the versions of an index, as the code that builds them sees them."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import Run
from retrieval.index.file_parts import FilePart
from retrieval.index.reading import VideoIndex
from retrieval.index.writing import EmbeddedVideo, IndexWriter, StoredVideo


class IndexStore(Protocol):
    """The live version of an index, the previous one, and how to build the next.

    Every method raises IndexUnavailableError if the engine refuses or does not answer. Methods that read a
    version raise UnreadableVersionError if its data is damaged; another version can still be made live.
    """

    @property
    def place(self) -> str:
        """The location of the index, for messages."""

    @property
    def file_format(self) -> str | None:
        """The format of the files that a version consists of; None if the store has no files of its own."""

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Keep every other run away from this index until the block ends.

        Raises RunInProgressError if another run is in progress.
        """

    async def live(self) -> Manifest | None:
        """Read the live version's manifest; None before the first publish."""

    async def previous(self) -> Manifest | None:
        """Read the manifest of the version that a rollback would make live; None if there is none."""

    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Read what the live version stores of each video, by video id; empty before the first publish."""

    def export_live(self, *, scratch: Path) -> AbstractAsyncContextManager["VersionExport"]:
        """Keep the live version unchanged until the block ends, to read all of it.

        If runs write into the live version, as on a server, they are kept away as by `exclusive`. Temporary
        files go into the folder `scratch`, which is created if needed and deleted at the end. Raises
        IndexUnavailableError if there is no live version, and OSError.
        """

    def build(
        self, *, dimension: int, keep_live: bool, files: Iterable[FilePart] = ()
    ) -> AbstractAsyncContextManager["IndexBuild"]:
        """Start a version for embeddings of this dimension: empty, or with all that the live one holds.

        `files` are those of a version exported from a store of the same `file_format`; the new version then
        holds exactly that one's videos. A build that is not published when the block ends is abandoned. Call
        it only inside `exclusive`: a build deletes what earlier ones left.
        """

    async def roll_back(self) -> Manifest:
        """Make the previous version live again, and the live one the previous; return the manifest now live.

        Raises IndexUnavailableError if there is no previous version; the live version then stays.
        """

    async def runs(self) -> Sequence[Run]:
        """Read the log of runs, the latest first; empty if none was logged.

        Raises UnreadableLogError if it is damaged.
        """

    async def write_runs(self, runs: Sequence[Run]) -> None:
        """Replace the log of runs. Call it only inside `exclusive`.

        Also raises OSError if the log is a file.
        """


class VersionExport(Protocol):
    """The live version, protected from changes while it is read as a whole."""

    manifest: Manifest

    def videos(self) -> AsyncIterator[EmbeddedVideo]:
        """Read every video with all that was written of it, in a fixed order.

        Raises IndexUnavailableError if the engine fails, or the version is inconsistent.
        """

    def files(self) -> Iterator[FilePart]:
        """Read the files of the version; none if the store has no `file_format`. Raises OSError."""


class IndexBuild(Protocol):
    """A version that is being built and is not live yet.

    `if_refused` is a sentence for the user that describes what happens to the version if it is not published.
    """

    version: str
    if_refused: str
    writer: IndexWriter

    async def open(self, manifest: Manifest) -> VideoIndex:
        """Open the finished version to verify it; the caller closes it before publishing."""

    async def publish(self, manifest: Manifest) -> None:
        """Make it the live version; the previous one is kept if the engine keeps one."""
