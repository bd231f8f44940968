"""A folder and the folders in it: yt-dlp's `-o "%(uploader)s/%(title)s.%(ext)s"` leaves such a tree."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.errors import SourceError
from ingest.rows.row import RawRow
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.captions.names import CAPTION_SUFFIXES
from ingest.sources.folders.captions import CaptionFolder, caption_files, list_of
from ingest.sources.folders.missing_captions import AskedTracks
from ingest.sources.folders.ytdlp import DownloadsFolder, is_info_file
from ingest.sources.tables.tables import TABLES


class FolderTree:
    """Each folder read as what it is, a downloader's or a bare one: the outer first, then those in it.

    Hidden folders and links to folders are not entered. What one folder has tells what was asked for in all:
    many let a downloader make a folder for every video.

    Raises SourceError where no folder has captions, and OSError where one cannot be read.
    """

    def __init__(self, path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        asked = AskedTracks()
        self._folders: list[DownloadsFolder | CaptionFolder] = []
        for folder in folders_in(path):
            if any(is_info_file(file) for file in folder.iterdir()):
                self._folders.append(DownloadsFolder(folder, languages=languages, asked=asked))
            elif caption_files(folder):
                self._folders.append(CaptionFolder(folder, languages=languages))
            elif folder == path and (listed := list_of(path)):
                raise SourceError(f"{listed}: has no caption file beside it; move it to where they are")
        if not self._folders:
            raise SourceError(_without_captions(path))

    def rows(self) -> Iterator[RawRow]:
        """Read folder by folder."""
        for folder in self._folders:
            yield from folder.rows()


def folders_in(path: Path) -> Iterator[Path]:
    """Give a folder and all in it that are read, the outer first. Raises OSError where one cannot be."""
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        yield folder
        # A link may lead back to where it is.
        inner = (one for one in folder.iterdir() if one.is_dir() and not one.is_symlink())
        waiting += sorted((one for one in inner if not one.name.startswith(".")), reverse=True)


def _without_captions(path: Path) -> str:
    table = min(
        (file.name for file in path.iterdir() if file.name.lower().endswith(tuple(TABLES))), default=""
    )
    hint = (
        f"tables such as {table} are given by their own names" if table else "give the folder that holds them"
    )
    return f"{path}: has no {', '.join(CAPTION_SUFFIXES)} file in it, nor in the folders in it; {hint}"
