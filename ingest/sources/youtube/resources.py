"""The fields of the YouTube Data API's answers that are read.

https://developers.google.com/youtube/v3/docs/channels, /playlistItems and /videos.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _RelatedPlaylists(_Resource, frozen=True):
    uploads: str | None = None


class _ChannelDetails(_Resource, frozen=True):
    related_playlists: _RelatedPlaylists = _RelatedPlaylists()


class _ChannelStatistics(_Resource, frozen=True):
    video_count: str | None = None


class _Channel(_Resource, frozen=True):
    id: str
    content_details: _ChannelDetails
    statistics: _ChannelStatistics = _ChannelStatistics()


class _UploadDetails(_Resource, frozen=True):
    video_id: str


class _UploadStatus(_Resource, frozen=True):
    privacy_status: str | None = None


class _Upload(_Resource, frozen=True):
    content_details: _UploadDetails
    status: _UploadStatus = _UploadStatus()


class Thumbnail(_Resource, frozen=True):
    """A still image of a video; `width` is pixels."""

    url: str
    width: int = 0


class VideoSnippet(_Resource, frozen=True):
    """The description of a video. `live_broadcast_content` is none, live or upcoming."""

    title: str | None = None
    published_at: str | None = None
    channel_title: str | None = None
    thumbnails: Mapping[str, Thumbnail] = {}
    tags: Sequence[str] = ()
    live_broadcast_content: str = "none"
    default_language: str | None = None
    default_audio_language: str | None = None


class VideoDetails(_Resource, frozen=True):
    """The recording: `duration` in ISO 8601; `caption` is "true" if a person wrote captions."""

    duration: str | None = None
    caption: str | None = None


class VideoStatus(_Resource, frozen=True):
    """The state of the upload: uploaded, processed, failed, rejected or deleted."""

    upload_status: str | None = None


class VideoResource(_Resource, frozen=True):
    """One video."""

    id: str
    snippet: VideoSnippet
    content_details: VideoDetails = VideoDetails()
    status: VideoStatus = VideoStatus()


# In all three `kind` is required: the answer of a proxy must not count as an empty page.
class ChannelPage(_Resource, frozen=True):
    """An answer of channels.list; without `items` if no channel was found."""

    kind: Literal["youtube#channelListResponse"]
    items: Sequence[_Channel] = ()


class UploadPage(_Resource, frozen=True):
    """An answer of playlistItems.list; the last one names no next page."""

    kind: Literal["youtube#playlistItemListResponse"]
    items: Sequence[_Upload] = ()
    next_page_token: str | None = None


class VideoPage(_Resource, frozen=True):
    """An answer of videos.list; videos that are not public are missing."""

    kind: Literal["youtube#videoListResponse"]
    items: Sequence[VideoResource] = ()
