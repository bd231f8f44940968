"""Conversion of a video, as YouTube describes it, to a row of the catalogue (pure)."""

import re
from typing import Any, Final

from ingest.rows.row import Place, RawRow
from ingest.sources.youtube.captions import Captions
from ingest.sources.youtube.resources import VideoResource

_DURATION: Final = re.compile(
    r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_UNIT_SECONDS: Final = (7 * 86400, 86400, 3600, 60, 1)
_UNFINISHED: Final = frozenset({"failed", "rejected", "deleted"})


def watch_page(video_id: str) -> str:
    """Return the address of the video's page."""
    return f"https://www.youtube.com/watch?v={video_id}"


def place_of(video_id: str) -> Place:
    """Return the place of a video's row: an address that a person can open."""
    return Place(watch_page(video_id))


def can_be_watched(video: VideoResource) -> bool:
    """Whether the video exists: it is neither an announcement nor a failed upload."""
    announced = video.snippet.live_broadcast_content == "upcoming"
    return not announced and video.status.upload_status not in _UNFINISHED


def is_live(video: VideoResource) -> bool:
    """Whether the video is being broadcast now. It has no captions before the broadcast ends."""
    return video.snippet.live_broadcast_content == "live"


def has_manual_captions(video: VideoResource) -> bool:
    """Whether a person wrote captions for the video."""
    return video.content_details.caption == "true"


def video_row(video: VideoResource, captions: Captions | None) -> RawRow:
    """Return the row of a video; its columns are JSON values."""
    snippet = video.snippet
    values: dict[str, Any] = {
        "video_id": video.id,
        "title": snippet.title,
        "published_at": snippet.published_at,
        "url": watch_page(video.id),
        "channel": snippet.channel_title,
        "duration": read_duration(video.content_details.duration),
        "thumbnail_url": _largest_thumbnail(video),
        "tags": list(snippet.tags),
        "language": snippet.default_audio_language or snippet.default_language,
    }
    if captions is not None:
        values |= {"language": captions.language, "caption_kind": captions.kind}
    known = {column: value for column, value in values.items() if value is not None}
    return RawRow(place_of(video.id), known, cues=captions.lines if captions else ())


def read_duration(text: str | None) -> float | None:
    """Return an ISO 8601 duration in seconds: PT1H2M3S, P1DT2H. None if it is zero, as for a live video.

    Years and months, which have no fixed length, are not read.
    """
    match = _DURATION.fullmatch(text or "")
    if match is None:
        return None
    parts = zip(match.groups(), _UNIT_SECONDS, strict=True)
    return sum(float(count) * seconds for count, seconds in parts if count) or None


def _largest_thumbnail(video: VideoResource) -> str | None:
    thumbnails = video.snippet.thumbnails.values()
    return max(thumbnails, key=lambda thumbnail: thumbnail.width).url if thumbnails else None
