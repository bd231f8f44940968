"""The reader of the column `media`, which names a file below MEDIA_DIR (pure)."""

from ingest.rows.fields import FieldError, Warn, shown
from retrieval.catalogue.media_files import MEDIA_TYPES, is_media_path


def read_media(value: object, _warn: Warn) -> str:
    """Return a relative path with slashes, to an audio or video file."""
    if isinstance(value, str) and is_media_path(path := value.strip()):
        return path
    raise FieldError(
        "bad-media",
        f"{shown(value)} is not a path of a media file; write it relative to MEDIA_DIR, with slashes and "
        f"without .., and with one of the endings {', '.join(MEDIA_TYPES)}",
    )
