"""A video: as a row of a catalogue, and as a record of the index."""

from datetime import datetime
from typing import Literal

import msgspec

NO_TRANSCRIPT_TEXT = "n/a"
"""The text that is embedded for a missing transcript.

The tutorial stores the embedding of this text for such videos, and its distances must be reproduced.
"""

CaptionKind = Literal["manual", "automatic"]
"""Whether a person wrote the captions of a video, or speech recognition."""


class Cue(msgspec.Struct, frozen=True):
    """One timed line of a caption file. Times are seconds from the start of the video."""

    start: float
    end: float
    text: str


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a catalogue, checked and typed. Texts are as given in the catalogue.

    `published_at` is timezone-aware UTC. `duration` is in seconds. If a video has `cues`, its `transcript` is
    the text of the catalogue, or otherwise the texts of the cues joined by blanks. A video without any
    transcript has None. `media` is the path of its file below MEDIA_DIR.
    """

    video_id: str
    title: str
    transcript: str | None = None
    cues: tuple[Cue, ...] = ()
    published_at: datetime | None = None
    url: str | None = None
    channel: str | None = None
    language: str | None = None
    duration: float | None = None
    thumbnail_url: str | None = None
    caption_kind: CaptionKind | None = None
    tags: tuple[str, ...] = ()
    media: str | None = None


class Passage(msgspec.Struct, frozen=True):
    """A part of a transcript: the unit that is embedded, and shown as a moment.

    `start` and `end` are in seconds, both None if the transcript has no times. `truncated`: the text is
    longer than the input of the model, so that its end is not part of the embedding.
    """

    text: str
    start: float | None = None
    end: float | None = None
    truncated: bool = False


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of a video that the index stores.

    `title` is cleaned for display. `title_as_given` is the title in the catalogue, for the classic route.
    """

    video_id: str
    title: str
    title_as_given: str
    published_at: datetime | None = None
    url: str | None = None
    channel: str | None = None
    language: str | None = None
    duration: float | None = None
    thumbnail_url: str | None = None
    caption_kind: CaptionKind | None = None
    tags: tuple[str, ...] = ()
    passages: int = 0
    has_transcript: bool = False
    media: str | None = None
