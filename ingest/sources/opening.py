"""Chooses how a source is read by what its path is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from ingest.errors import SourceError
from ingest.rows.row import RawRow
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.captions.names import CAPTION_SUFFIXES
from ingest.sources.folders.captions import CaptionFile
from ingest.sources.folders.tree import FolderTree
from ingest.sources.folders.ytdlp import INFO_ENDING
from ingest.sources.tables.tables import TABLES
from ingest.sources.youtube.channel import PREFIX, YouTube

_KINDS: Final = (
    f"give a file that ends in {', '.join(TABLES)} or, for captions, in {', '.join(CAPTION_SUFFIXES)}, "
    "or a folder of caption files"
)
_OTHER_KINDS: Final = {
    INFO_ENDING: "is what yt-dlp wrote about one video; give the folder that it is in",
    ".parquet.gz": "is gzipped parquet; unpack it, parquet is packed inside already",
    ".gz": "is gzipped; unpack it: of gzipped files "
    f"{', '.join(ending for ending in TABLES if ending.endswith('.gz'))} are read",
    ".tsv": "cannot tell what kind of file this is; a table with tabs between its cells is read where its "
    "name ends in .csv",
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "is a spreadsheet; save it as csv"),
}


class Source(Protocol):
    """Somewhere that rows come from, opened and found to be of the right shape."""

    def rows(self) -> Iterator[RawRow]:
        """Read the rows in the source's order, a few hundred in memory at a time.

        May be called again, and then starts anew. Raises SourceError where the source is damaged.
        """
        ...


def open_source(
    path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES, youtube: YouTube | None = None
) -> Source:
    """Open a table, a caption file, a folder of them as yt-dlp leaves it or bare, or `youtube:CHANNEL_ID`.

    Where a video has captions in several languages, those in the first of `languages` that there is are
    read; a channel's are chosen by `youtube`.

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
            return FolderTree(path, languages=languages)
        return _open_file(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _open_file(path: Path) -> Source:
    name = path.name.lower()
    for ending, table in TABLES.items():
        if name.endswith(ending):
            return table(path)
    for ending, what in _OTHER_KINDS.items():
        if name.endswith(ending):
            raise SourceError(f"{path}: {what}")
    if name.endswith(CAPTION_SUFFIXES):
        return CaptionFile(path)
    raise SourceError(f"{path}: cannot tell what kind of file this is; {_KINDS}")
