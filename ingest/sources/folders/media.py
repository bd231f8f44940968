"""The audio or video file next to the captions of a video."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ingest.rows.fields import is_absent
from ingest.rows.row import RawRow
from retrieval.catalogue.media_files import MEDIA_TYPES

_PREFERENCE = {suffix: place for place, suffix in enumerate(MEDIA_TYPES)}


class MediaFolder:
    """The media files of one folder by their stems. Their paths are relative to the folder of the source."""

    def __init__(self, folder: Path, source: Path) -> None:
        """List the files of `folder`, which is in `source`. Raises OSError."""
        self._paths: dict[str, str] = {}
        named: dict[str, str] = {}
        files = [file for file in media_files(folder) if file.is_file()]
        # The preferred kind last, so that it replaces the others.
        for file in sorted(files, key=lambda file: _PREFERENCE[file.suffix.lower()], reverse=True):
            named[file.name] = self._paths[file.stem] = file.relative_to(source).as_posix()
        # Some programs write the captions of talk.mp4 to talk.mp4.srt.
        self._paths = named | self._paths

    def added(self, stem: str, row: RawRow) -> RawRow:
        """Return the row of the video with this stem, with its file unless the row has one."""
        path = self._paths.get(stem)
        if path is None or row.values is None or not is_absent(row.values.get("media")):
            return row
        return msgspec.structs.replace(row, values={**row.values, "media": path})

    def added_to_bare(self, stem: str, rows: Iterable[RawRow]) -> Iterator[RawRow]:
        """Yield the rows of a caption file. An entry of a dump has no file of its own."""
        for row in rows:
            yield self.added(stem, row) if row.place.row is None else row


def media_files(folder: Path) -> list[Path]:
    """Return what is named like a media file in a folder, sorted by name. Raises OSError."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in MEDIA_TYPES and not file.name.startswith(".")
    )
