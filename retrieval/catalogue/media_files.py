"""The audio and video files of an owner: which paths below MEDIA_DIR are served, and with which type."""

import re
from pathlib import PurePosixPath

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".aac": "audio/aac",
}
"""The content type of each suffix. Files with any other suffix are not served. Earlier ones are preferred."""

LONGEST_PATH = 1_024
"""Characters."""

_REFUSED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]")
_LONGEST_NAME = 255
"""Bytes: the limit of the file systems in use."""


def media_type(path: str) -> str | None:
    """Return the content type of a file by its suffix, or None if such files are not served."""
    return MEDIA_TYPES.get(PurePosixPath(path).suffix.lower())


def is_media_path(path: str) -> bool:
    """Whether a text is a relative POSIX path without `.` and `..`, to a file of a type that is served.

    This checks the text only: a link on the disk may still lead elsewhere.
    """
    return (
        0 < len(path) <= LONGEST_PATH
        and not _REFUSED.search(path)
        and all(
            0 < len(name.encode()) <= _LONGEST_NAME and name not in {".", ".."} for name in path.split("/")
        )
        and media_type(path) is not None
    )
