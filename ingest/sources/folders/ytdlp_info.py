"""The `.info.json` files of yt-dlp and youtube-dl, which describe one video each."""

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
"""With `--write-comments`, the file contains all comments."""


class _Info(msgspec.Struct):
    """The keys that are read. A value may have any type, because each site has its own extractor.

    The many other keys, such as formats and comments, are skipped without being decoded.
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
    """A video's row without its captions, and the names of its manual and automatic tracks.

    `requested` are the names of the requested tracks, if the file contains them.
    """

    values: dict[str, Any]
    manual: Collection[str]
    automatic: Collection[str]
    requested: Collection[str] = ()

    def kind_of(self, tag: str) -> CaptionKind | None:
        """Return the kind of the track with this name; None if there is none."""
        if tag in self.manual:
            return "manual"
        return "automatic" if tag in self.automatic else None


_decoder = msgspec.json.Decoder(_Info)


def read_download_info(path: Path, stem: str) -> DownloadInfo | None:
    """Read an info file; None if it describes a playlist or a channel instead of a video.

    `stem` is the file's name without its suffix; the id and the title are taken from it if the file has none.

    Raises CaptionFileError for a file that cannot be read or is not a JSON object.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_INFO_BYTES + 1)
    except OSError as error:
        raise CaptionFileError("unreadable", f"cannot be read ({error.strerror}); check the file") from error
    if not data.strip():
        raise CaptionFileError("invalid-info", "is empty; download the video's info file again")
    if len(data) > MAX_INFO_BYTES:
        raise CaptionFileError(
            "too-large", f"is larger than {MAX_INFO_BYTES // 2**20} MiB; download it again without comments"
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
        # Python writes and reads NaN, Infinity and lone surrogates, which JSON does not have. A byte that is
        # not UTF-8 becomes a lone surrogate too, which the check of the row then reports.
        if len(data) <= MAX_FILE_BYTES:
            with suppress(ValueError, RecursionError):
                return msgspec.convert(json.loads(data.decode(errors="surrogateescape")), _Info)
        message = f"is not an info file of yt-dlp ({error}); download the video's info file again"
        raise CaptionFileError("invalid-info", message) from error


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None and value != ""), None)


def _published(info: _Info) -> Any:
    """Return the date: the exact time if it is known, else the day; the upload before the release."""
    for moment, day in ((info.timestamp, info.upload_date), (info.release_timestamp, info.release_date)):
        if isinstance(moment, int | float) and not isinstance(moment, bool):
            try:
                return datetime.fromtimestamp(moment, UTC)
            except (ValueError, OverflowError, OSError):
                pass  # The day may still be valid.
        if (found := _first(day)) is not None:
            return str(found) if isinstance(found, int) else found
    return None


def _thumbnail(info: _Info) -> Any:
    """Return the thumbnail that the site shows, else the last of the list, which yt-dlp sorts by quality."""
    listed = (
        [one.get("url") for one in info.thumbnails or () if isinstance(one, dict)]
        if isinstance(info.thumbnails, list)
        else []
    )
    return _first(info.thumbnail, *reversed(listed))
