"""The embedded and the displayed parts of a video, and hashes that detect changes to them (pure)."""

import hashlib
import re
from typing import Any

import msgspec

from retrieval.catalogue.display_text import clean_for_display
from retrieval.catalogue.links import watch_url
from retrieval.catalogue.manifest import ModelIdentity, PassageSettings
from retrieval.catalogue.video import NO_TRANSCRIPT_TEXT, Video, VideoRecord
from retrieval.index.writing import StoredVideo

_PARTICULAR = re.compile(r"https?://\S+|\d+")
_SHORT_HASH_BYTES = 8
"""Enough to distinguish a million texts; only a warning depends on it."""

CUTTING_VERSION = 1
"""Increased when the same transcript is cut into other passages; all videos are then embedded again."""


def embedded_transcript(video: Video) -> str:
    """Return the text whose embedding is the transcript half of a video's vector."""
    return NO_TRANSCRIPT_TEXT if video.transcript is None else video.transcript


def record_of(video: Video) -> VideoRecord:
    """Return the displayed fields of a video."""
    return VideoRecord(
        video_id=video.video_id,
        title=clean_for_display(video.title),
        title_as_given=video.title,
        published_at=video.published_at,
        # The file of a video is its URL, even if the id looks like one of YouTube's.
        url=video.url if video.media else watch_url(video.video_id, video.url),
        channel=video.channel,
        language=video.language,
        duration=video.duration,
        thumbnail_url=video.thumbnail_url,
        caption_kind=video.caption_kind,
        tags=video.tags,
        has_transcript=video.transcript is not None,
        media=video.media,
    )


def stored_form(video: Video, model: ModelIdentity, settings: PassageSettings) -> StoredVideo:
    """Return a hash of everything that the embeddings and passages depend on, and one of the other fields."""
    inputs = (CUTTING_VERSION, model, settings, video.title, video.transcript, video.cues)
    return StoredVideo(
        content_hash=_hash(inputs),
        record_hash=_hash(_shown(record_of(video))),
        transcribed=video.transcript is not None,
        timed=bool(video.cues),
        title_hash=_short_hash(video.title),
        text_hash=_short_hash(_words_alone(video)) if video.transcript else "",
        characters=len(video.transcript or ""),
    )


def _shown(record: VideoRecord) -> dict[str, Any]:
    """Return the fields that a hash of a record covers.

    A record without `media` has the hash that releases before that field computed, so that an index of theirs
    is not updated as a whole.
    """
    fields: dict[str, Any] = msgspec.to_builtins(record)
    if record.media is None:
        del fields["media"]
    return fields


def _words_alone(video: Video) -> str:
    """Return the transcript without ids, addresses and numbers, in which copies of one message differ."""
    text = (video.transcript or "").replace(video.video_id, " ")
    words = _PARTICULAR.sub(" ", text)
    return words if words.strip() else text


def _short_hash(text: str) -> str:
    words = " ".join(text.casefold().split())
    return hashlib.blake2b(words.encode(), digest_size=_SHORT_HASH_BYTES).hexdigest()


def _hash(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
