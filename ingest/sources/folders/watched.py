"""What of a folder is read as sources, and how to tell that it changed."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ingest.rows.row import file_name
from ingest.sources.captions.names import CAPTION_SUFFIXES, LIVE_CHAT, without_suffix
from ingest.sources.folders.captions import LIST_NAME, caption_files, list_of
from ingest.sources.folders.tree import folders_in
from ingest.sources.folders.ytdlp import is_info_file
from ingest.sources.tables.tables import TABLES

_TABLES = tuple(TABLES)

State = frozenset[tuple[str | int, ...]]
"""Of each file that is read its name and what tells one content from another without reading it."""


class WatchedFolder(msgspec.Struct, frozen=True):
    """A folder at one moment: what to sync of it, and the state of all that this would read.

    `passed_over` are links that lead nowhere; `notice` is what a person may not expect of `sources`.
    """

    sources: tuple[Path, ...]
    state: State
    passed_over: tuple[str, ...] = ()
    notice: str | None = None


def read_folder(folder: Path) -> WatchedFolder:
    """Say what of a folder is synced: its tables, and the folder for its captions, as `sync FOLDER` reads it.

    A list of the captions is part of their folder and no table. Raises OSError where it cannot be read.
    """
    entries = [path for path in sorted(folder.iterdir()) if is_read(path.name)]
    lost = [path for path in entries if path.is_symlink() and not path.exists()]
    inner = list(folders_in(folder))
    captions = [file for one in inner for file in caption_files(one)]
    tables = [path for path in entries if path.name.lower().endswith(_TABLES) and path.is_file()]
    lists = [path for path in tables if captions and path.name.lower() == LIST_NAME]
    tables = [path for path in tables if path not in lists]
    # What a downloader knows of its videos stands for the list.
    unread = lists if any(map(is_info_file, captions)) else []
    inner_lists = [found for one in inner[1:] if (found := list_of(one))]
    read = [path for path in (*tables, *lists, *inner_lists, *captions) if path not in unread]
    return WatchedFolder(
        sources=(*tables, *([folder] if captions else [])),
        state=frozenset(_stamp(path, folder) for path in read) | frozenset((path.name,) for path in lost),
        passed_over=tuple(file_name(path) for path in lost),
        notice=_notice(tables, captions, unread),
    )


def is_read(name: str) -> bool:
    """Say whether a file of this name in a folder would be read: as a table, or with the captions."""
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
    except FileNotFoundError:  # It has gone just now.
        return (name,)
    # Another file may be put in a file's place with its length and its date.
    return (name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _notice(tables: Sequence[Path], captions: Sequence[Path], unread: Sequence[Path]) -> str | None:
    """Say it in words that stay the same when more of the same come."""
    if tables and captions:
        return (
            "There are tables and captions here. Both are synced, the captions as videos of their own; a "
            f"table that lists the captions is to be named {LIST_NAME}."
        )
    if unread:
        return f"{LIST_NAME} is not read: what the downloader wrote beside the captions stands for it."
    return None
