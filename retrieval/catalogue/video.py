"""What a video is, on its way from a catalogue to an answer."""

from datetime import datetime
from typing import Literal

import msgspec

NO_TRANSCRIPT = "n/a"
"""What stands for a missing transcript when the whole text is embedded.

The tutorial stores this text's embedding for such videos, and its distances must come out the same.
"""


CaptionKind = Literal["manual", "automatic"]
"""Who wrote a video's captions: a person, or a program that listened."""


class Cue(msgspec.Struct, frozen=True):
    """One timed line of a caption file. Times are seconds from the start of the video."""

    start: float
    end: float
    text: str


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a catalogue, checked and typed; text is as its author gave it.

    `published_at` is timezone-aware UTC. `duration` is seconds. A video with `cues` has in `transcript`
    the catalogue's own text where it gave one, else the cues' texts joined by blanks; a video without
    any transcript has None.
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


class Passage(msgspec.Struct, frozen=True):
    """A piece of a transcript, the unit that is embedded and shown as a moment.

    `start` and `end` are seconds, both None where the transcript has no times. `truncated` says that the
    text is longer than the model reads, so that its tail is not part of the embedding.
    """

    text: str
    start: float | None = None
    end: float | None = None
    truncated: bool = False


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the index keeps of a video to show it.

    `title` is cleaned for display; `title_as_given` is the catalogue's own, which the classic route returns.
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
