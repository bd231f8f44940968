"""The sources in a folder, and detection of changes to them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ingest.rows.row import file_name
from ingest.sources.captions.names import CAPTION_SUFFIXES, LIVE_CHAT, without_suffix
from ingest.sources.folders.captions import LIST_NAME, caption_files, list_of
from ingest.sources.folders.media import media_files
from ingest.sources.folders.tree import folders_in
from ingest.sources.folders.ytdlp import is_info_file
from ingest.sources.tables.tables import TABLES

_TABLES = tuple(TABLES)

State = frozenset[tuple[str | int, ...]]
"""The name of each file that is read, with its size, times and inode, which change with its content."""


class WatchedFolder(msgspec.Struct, frozen=True):
    """A folder at one moment: the sources in it, and the state of all files that a sync would read.

    `passed_over` are broken links; `notice` explains how `sources` may differ from what the user expects.
    """

    sources: tuple[Path, ...]
    state: State
    passed_over: tuple[str, ...] = ()
    notice: str | None = None


def read_folder(folder: Path) -> WatchedFolder:
    """Return the sources in a folder: its tables, and the folder itself if it has captions.

    A list of the captions is part of their folder and not a table. Raises OSError.
    """
    entries = [path for path in sorted(folder.iterdir()) if is_read(path.name)]
    lost = [path for path in entries if path.is_symlink() and not path.exists()]
    inner = list(folders_in(folder))
    captions = [file for one in inner for file in caption_files(one)]
    tables = [path for path in entries if path.name.lower().endswith(_TABLES) and path.is_file()]
    lists = [path for path in tables if captions and path.name.lower() == LIST_NAME]
    tables = [path for path in tables if path not in lists]
    # Info files of a downloader replace the list.
    unread = lists if any(map(is_info_file, captions)) else []
    inner_lists = [found for one in inner[1:] if (found := list_of(one))]
    read = [path for path in (*tables, *lists, *inner_lists, *captions) if path not in unread]
    return WatchedFolder(
        sources=(*tables, *([folder] if captions else [])),
        state=frozenset(_stamp(path, folder) for path in read)
        | frozenset((path.name,) for path in lost)
        # Only the names of media files, because ingest does not read their content.
        | frozenset((str(path.relative_to(folder)),) for one in inner for path in media_files(one)),
        passed_over=tuple(file_name(path) for path in lost),
        notice=_notice(tables, captions, unread),
    )


def is_read(name: str) -> bool:
    """Whether a file with this name would be read, as a table or with the captions."""
    lowered = name.lower()
    if name.startswith("."):
        return False
    if lowered.endswith(CAPTION_SUFFIXES):
        return not without_suffix(name).endswith(f".{LIVE_CHAT}")
    return lowered.endswith(_TABLES)


def _stamp(path: Path, folder: Path) -> tuple[str | int, ...]:
    name = str(path.relative_to(folder))
    try:
        found = path.stat()
    except FileNotFoundError:  # It was deleted just now.
        return (name,)
    # Another file may replace it with the same size and date.
    return (name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _notice(tables: Sequence[Path], captions: Sequence[Path], unread: Sequence[Path]) -> str | None:
    """Return a text that stays the same when more files of the same kinds are added."""
    if tables and captions:
        return (
            "This folder contains tables and captions. Both are synced, the captions as separate videos; "
            f"rename a table that lists the captions to {LIST_NAME}."
        )
    if unread:
        return f"{LIST_NAME} is ignored, because the downloader's info files describe the captions."
    return None
