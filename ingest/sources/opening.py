"""Chooses how a source is read by what its path is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ingest.errors import SourceError
from ingest.rows import RawRow
from ingest.sources.captions import CaptionFolder
from ingest.sources.tables import TABLES
from ingest.sources.youtube import PREFIX, YouTube


class Source(Protocol):
    """Somewhere that rows come from, opened and found to be of the right shape."""

    def rows(self) -> Iterator[RawRow]:
        """Read the rows in the source's order, a few hundred in memory at a time.

        May be called again, and then starts anew. Raises SourceError where the source is damaged.
        """
        ...


def open_source(path: Path, *, youtube: YouTube | None = None) -> Source:
    """Open a parquet, csv or jsonl file, a folder of caption files, or a channel (`youtube:CHANNEL_ID`).

    Raises SourceError for a path that is none of these, cannot be read, or lacks a required column.
    """
    # A file of such a name is still there under its absolute path.
    if str(path).startswith(PREFIX):
        if youtube is None:
            raise SourceError(f"{path}: set YT_API_KEY to a key for the YouTube Data API v3")
        return youtube.channel(str(path))
    try:
        if not path.exists():
            raise SourceError(f"{path}: there is no such file or folder; check the path")
        if path.is_dir():
            return CaptionFolder(path)
        table = TABLES.get(path.suffix.lower())
        if table is None:
            raise SourceError(
                f"{path}: cannot tell what kind of file this is; give a file that ends in "
                f"{', '.join(TABLES)}, or a folder of caption files"
            )
        return table(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
