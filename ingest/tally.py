"""Counting, while a catalogue is planned, what the gate asks about it."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from ingest.gate import CatalogueFacts
from ingest.plan import Action, Plan
from ingest.rows import DUPLICATE_ID, PLACEHOLDER_TRANSCRIPT, CheckedRow
from retrieval.index import StoredVideo
from retrieval.manifest import Manifest

_CLOCKS_DIFFER = timedelta(days=1)
"""A video of today may be dated tomorrow by whoever lives further east."""


class Tally:
    """What was seen of a source so far. Memory: an id and sixteen bytes a transcript."""

    def __init__(self, now: datetime | None = None) -> None:
        """Take dates after `now`, timezone-aware, for the future."""
        self._future = (now or datetime.now(UTC)) + _CLOCKS_DIFFER
        self._rows = 0
        self._repeated = 0
        self._placeholders: list[str] = []
        self._in_future: list[str] = []
        self._texts: dict[bytes, list[str]] = {}

    def row(self, row: CheckedRow) -> None:
        """Count a row."""
        self._rows += 1
        codes = {problem.reason_code for problem in row.problems}
        self._repeated += DUPLICATE_ID in codes
        if row.video is None:
            return
        video = row.video
        if PLACEHOLDER_TRANSCRIPT in codes:
            self._placeholders.append(video.video_id)
        if video.published_at and video.published_at > self._future:
            self._in_future.append(video.video_id)
        if video.transcript:
            text = hashlib.blake2b(video.transcript.strip().encode(), digest_size=16).digest()
            self._texts.setdefault(text, []).append(video.video_id)

    def facts(
        self,
        *,
        source: Mapping[str, StoredVideo],
        stored: Mapping[str, StoredVideo],
        plan: Plan,
        live: Manifest | None,
        other_model: str | None,
    ) -> CatalogueFacts:
        """Sum up what a run would make of an index that holds `stored`; `live` None compares with nothing."""
        stays = [
            video
            for video_id, video in stored.items()
            if video_id not in source and plan.actions.get(video_id) is not Action.REMOVE
        ]
        lost = [
            video_id
            for video_id, video in source.items()
            if not video.transcribed and video_id in stored and stored[video_id].transcribed
        ]
        sharing: list[str] = max(self._texts.values(), key=len, default=[])
        return CatalogueFacts(
            rows=self._rows,
            repeated=self._repeated,
            videos=len(source) + len(stays),
            transcribed=_transcribed(source.values()) + _transcribed(stays),
            videos_before=live.counts.videos if live else 0,
            transcribed_before=live.counts.videos_with_transcript if live else 0,
            lost=tuple(lost),
            sharing=tuple(sharing),
            placeholders=tuple(self._placeholders),
            in_future=tuple(self._in_future),
            other_model=other_model,
        )


def _transcribed(videos: Iterable[StoredVideo]) -> int:
    return sum(video.transcribed for video in videos)
