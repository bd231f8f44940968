"""The store protocols: where the versions of an index live, for whoever builds them, whatever the engine."""

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
    """The live version of an index, the one before it, and the way to the next.

    Every method raises IndexUnavailableError where the engine refuses or does not answer, and those that read
    a version raise UnreadableVersionError where what is there is damaged. That keeps nobody from making
    another version live.
    """

    @property
    def place(self) -> str:
        """Say where the index is, for a person."""

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Keep every other run away from this index until the block ends.

        Raises RunInProgressError where one is at work.
        """

    async def live(self) -> Manifest | None:
        """Read the live version's manifest; None before the first publish."""

    async def previous(self) -> Manifest | None:
        """Read the manifest of the version that a roll back would make live; None where there is none."""

    async def stored_videos(self) -> Mapping[str, StoredVideo]:
        """Say what the live version holds, by video id; nothing before the first publish."""

    @property
    def file_format(self) -> str | None:
        """Name the format of the files that a version consists of here; None where it has none of its own."""

    def hold_live(self, *, scratch: Path) -> AbstractAsyncContextManager["HeldVersion"]:
        """Keep the live version as it is until the block ends, to read all of it.

        Where a run would write into it, as on a server, runs are kept away as by `exclusive`. What reading
        must write goes into the folder `scratch`, made here where it is needed and deleted at the end.
        Raises IndexUnavailableError where there is none, and OSError.
        """

    def build(
        self, *, dimension: int, keep_live: bool, files: Iterable[FilePart] = ()
    ) -> AbstractAsyncContextManager["IndexBuild"]:
        """Start a version for embeddings of this dimension: empty, or with all that the live one holds.

        `files` are those of a version that a store of the same `file_format` held, which is then all that
        this one holds. A build that is not published when the block ends is abandoned. Only inside
        `exclusive`: a build clears what earlier ones left.
        """

    async def roll_back(self) -> Manifest:
        """Make the previous version live again, and the live one the previous; return what is live now.

        Raises IndexUnavailableError where there is no previous version; what is live then stays.
        """

    async def runs(self) -> Sequence[Run]:
        """Read the log of runs, the last one first; empty where none was noted.

        Raises UnreadableLogError where it is damaged.
        """

    async def write_runs(self, runs: Sequence[Run]) -> None:
        """Replace the log of runs. Only inside `exclusive`. Raises OSError too, where it is a file."""


class HeldVersion(Protocol):
    """The live version while nothing can change it or take it away."""

    @property
    def manifest(self) -> Manifest:
        """What it is."""

    def videos(self) -> AsyncIterator[EmbeddedVideo]:
        """Read every video with all that was written of it, in a fixed order.

        Raises IndexUnavailableError where the engine fails, or the version does not hold together.
        """

    def files(self) -> Iterator[FilePart]:
        """Read the files that it consists of; none where the store has no `file_format`. Raises OSError."""


class IndexBuild(Protocol):
    """A version on its way to being live."""

    @property
    def version(self) -> str:
        """Its name."""

    @property
    def if_refused(self) -> str:
        """Say, for a person, what becomes of it where it is not published."""

    @property
    def writer(self) -> IndexWriter:
        """What it is written through."""

    async def open(self, manifest: Manifest) -> VideoIndex:
        """Open what the writer finished, to verify it; the caller closes it before publishing."""

    async def publish(self, manifest: Manifest) -> None:
        """Make it the live version; the one before is kept where the engine keeps one."""
