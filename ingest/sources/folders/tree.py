"""A folder and its subfolders, as yt-dlp's `-o "%(uploader)s/%(title)s.%(ext)s"` creates them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.errors import SourceError
from ingest.rows.row import RawRow
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.captions.names import CAPTION_SUFFIXES
from ingest.sources.folders.captions import CaptionFolder, caption_files, list_of
from ingest.sources.folders.missing_captions import RequestedTracks
from ingest.sources.folders.ytdlp import DownloadsFolder, is_info_file
from ingest.sources.tables.tables import TABLES


class FolderTree:
    """All folders, outer ones first, each read with its info files or as plain caption files.

    Hidden folders and links to folders are skipped. The captions in one folder show which ones were requested
    for all, because many downloads have one folder for each video.

    Raises SourceError if no folder has captions, and OSError if one cannot be read.
    """

    def __init__(self, path: Path, *, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        requested = RequestedTracks()
        self._folders: list[DownloadsFolder | CaptionFolder] = []
        for folder in folders_in(path):
            if any(is_info_file(file) for file in folder.iterdir()):
                self._folders.append(
                    DownloadsFolder(folder, languages=languages, requested=requested, source=path)
                )
            elif caption_files(folder):
                self._folders.append(CaptionFolder(folder, languages=languages, source=path))
            elif folder == path and (listed := list_of(path)):
                raise SourceError(f"{listed}: there is no caption file next to it; move it to their folder")
        if not self._folders:
            raise SourceError(_without_captions(path))

    def rows(self) -> Iterator[RawRow]:
        """Read folder by folder."""
        for folder in self._folders:
            yield from folder.rows()


def folders_in(path: Path) -> Iterator[Path]:
    """Yield a folder and all its subfolders that are read, outer ones first. Raises OSError."""
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        yield folder
        # A link may lead back to an outer folder.
        inner = (one for one in folder.iterdir() if one.is_dir() and not one.is_symlink())
        waiting += sorted((one for one in inner if not one.name.startswith(".")), reverse=True)


def _without_captions(path: Path) -> str:
    table = min(
        (file.name for file in path.iterdir() if file.name.lower().endswith(tuple(TABLES))), default=""
    )
    hint = (
        f"give tables such as {table} by their own names" if table else "give the folder that contains them"
    )
    return f"{path}: neither it nor its subfolders contain a {', '.join(CAPTION_SUFFIXES)} file; {hint}"
