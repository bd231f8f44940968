"""Selection of the reader of a source by its path."""

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
from ingest.sources.youtube.addresses import PREFIX
from ingest.sources.youtube.channel import YouTube, missing_key

_KINDS: Final = (
    f"give a file that ends in {', '.join(TABLES)} or, for captions, in {', '.join(CAPTION_SUFFIXES)}, "
    "or a folder of caption files"
)
_OTHER_KINDS: Final = {
    INFO_ENDING: "is an info file of yt-dlp about one video; give the folder that contains it",
    ".parquet.gz": "is gzipped parquet; unpack it, because parquet is compressed already",
    ".gz": "is gzipped; unpack it: the gzipped files that can be read are "
    f"{', '.join(ending for ending in TABLES if ending.endswith('.gz'))}",
    ".tsv": "is not a known kind of file; rename a table with tabs between its cells to .csv",
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "is a spreadsheet; save it as csv"),
}


class Source(Protocol):
    """An opened source, whose columns were checked."""

    def rows(self) -> Iterator[RawRow]:
        """Yield the rows in the source's order, with a few hundred in memory at a time.

        Each call starts at the first row. Raises SourceError if the source is damaged.
        """


def open_source(
    path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES, youtube: YouTube | None = None
) -> Source:
    """Open a table, a caption file, a folder of caption files (with or without yt-dlp's), or a channel.

    A channel is `youtube:CHANNEL_ID`, `youtube:@handle` or `youtube:user/NAME` and is opened with `youtube`,
    which has its own languages. Elsewhere, if a video has captions in several languages, the first available
    one of `languages` is read.

    Raises SourceError for any other path, one that cannot be read, or a table without a required column.
    """
    # A file with such a name can be given by its absolute path.
    if str(path).startswith(PREFIX):
        if youtube is None:
            raise missing_key(str(path))
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
    for ending, problem in _OTHER_KINDS.items():
        if name.endswith(ending):
            raise SourceError(f"{path}: {problem}")
    if name.endswith(CAPTION_SUFFIXES):
        return CaptionFile(path)
    raise SourceError(f"{path}: is not a known kind of file; {_KINDS}")
