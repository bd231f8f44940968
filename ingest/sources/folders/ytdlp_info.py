"""What yt-dlp or youtube-dl found out about a video: the `.info.json` that it leaves."""

import json
from codecs import BOM_UTF8
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from ingest.sources.captions.decoding import MAX_FILE_BYTES, CaptionFileError
from ingest.sources.captions.names import id_and_title
from retrieval.catalogue.video import CaptionKind

MAX_INFO_BYTES: Final = 256 * 1024 * 1024
"""With `--write-comments` such a file holds every comment there is."""


class _Info(msgspec.Struct):
    """The keys that are read. Any value may be of any type: every site has its own extractor.

    The many others, formats and comments among them, are passed over without making anything of them.
    """

    id: Any = None
    display_id: Any = None
    title: Any = None
    fulltitle: Any = None
    timestamp: Any = None
    upload_date: Any = None
    release_timestamp: Any = None
    release_date: Any = None
    webpage_url: Any = None
    original_url: Any = None
    channel: Any = None
    uploader: Any = None
    creator: Any = None
    uploader_id: Any = None
    duration: Any = None
    thumbnail: Any = None
    thumbnails: Any = None
    tags: Any = None
    language: Any = None
    subtitles: Any = None
    automatic_captions: Any = None
    requested_subtitles: Any = None
    kind: Any = msgspec.field(name="_type", default=None)


class DownloadInfo(msgspec.Struct, frozen=True):
    """A video's row but for its captions, and the names of its manual and automatic tracks.

    `requested` names those that the downloader was asked for, where the file says it.
    """

    values: dict[str, Any]
    manual: Collection[str]
    automatic: Collection[str]
    requested: Collection[str] = ()

    def kind_of(self, tag: str) -> CaptionKind | None:
        """Say who made the track of this name; None if there is none."""
        if tag in self.manual:
            return "manual"
        return "automatic" if tag in self.automatic else None


_decoder = msgspec.json.Decoder(_Info)


def read_download_info(path: Path, stem: str) -> DownloadInfo | None:
    """Read an info file; None where it is about a playlist or a channel, which is no video.

    `stem` is the file's name without its ending: it gives the id and the title where the file does not.

    Raises CaptionFileError for a file that cannot be read or is no JSON object.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_INFO_BYTES + 1)
    except OSError as error:
        raise CaptionFileError("unreadable", f"cannot be read ({error.strerror}); check the file") from error
    if not data.strip():
        raise CaptionFileError("invalid-info", "is empty; download the video's information again")
    if len(data) > MAX_INFO_BYTES:
        raise CaptionFileError(
            "too-large", f"is larger than {MAX_INFO_BYTES // 2**20} MiB; write it without the comments"
        )
    info = _decoded(data.removeprefix(BOM_UTF8))
    if info.kind is not None and info.kind != "video":
        return None
    named_id, named_title = id_and_title(stem)
    values = {
        "video_id": _first(info.id, info.display_id, named_id),
        "title": _first(info.title, info.fulltitle, named_title),
        "published_at": _published(info),
        "url": _first(info.webpage_url, info.original_url),
        "channel": _first(info.channel, info.uploader, info.creator, info.uploader_id),
        "duration": info.duration,
        "thumbnail_url": _thumbnail(info),
        "tags": info.tags,
        "language": info.language,
    }
    return DownloadInfo(
        {column: value for column, value in values.items() if value is not None},
        _names(info.subtitles),
        _names(info.automatic_captions),
        _names(info.requested_subtitles),
    )


def _names(tracks: Any) -> Collection[str]:
    return frozenset(tracks) if isinstance(tracks, dict) else ()


def _decoded(data: bytes) -> _Info:
    try:
        return _decoder.decode(data)
    except (ValueError, RecursionError) as error:
        # Python writes NaN, Infinity and halves of characters, and reads them, though JSON has none; a byte
        # that is not UTF-8 becomes half a character too, which the row's check then finds and tells.
        if len(data) <= MAX_FILE_BYTES:
            with suppress(ValueError, RecursionError):
                return msgspec.convert(json.loads(data.decode(errors="surrogateescape")), _Info)
        what = f"is not what yt-dlp writes ({error}); download the video's information again"
        raise CaptionFileError("invalid-info", what) from error


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None and value != ""), None)


def _published(info: _Info) -> Any:
    """Choose the date: the exact moment where it is known, else the day; the upload before the release."""
    for moment, day in ((info.timestamp, info.upload_date), (info.release_timestamp, info.release_date)):
        if isinstance(moment, int | float) and not isinstance(moment, bool):
            try:
                return datetime.fromtimestamp(moment, UTC)
            except (ValueError, OverflowError, OSError):
                pass  # The day may still be right.
        if (found := _first(day)) is not None:
            return str(found) if isinstance(found, int) else found
    return None


def _thumbnail(info: _Info) -> Any:
    """Take the one that the site shows, else the last of the list, which yt-dlp sorts from the worst on."""
    listed = (
        [one.get("url") for one in info.thumbnails or () if isinstance(one, dict)]
        if isinstance(info.thumbnails, list)
        else []
    )
    return _first(info.thumbnail, *reversed(listed))
