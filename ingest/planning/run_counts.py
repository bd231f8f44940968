"""Counting, while a catalogue is planned, what the gate's rules are about."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from ingest.planning.plan import Action, Plan
from ingest.planning.rules import Before, CatalogueFacts
from ingest.rows.row import DUPLICATE_ID, FETCH_FAILED, PLACEHOLDER_TRANSCRIPT, CheckedRow
from retrieval.catalogue.manifest import Manifest
from retrieval.index.writing import StoredVideo

_CLOCKS_DIFFER = timedelta(days=1)
"""A video of today may be dated tomorrow by whoever lives further east."""

_MUCH_SHORTER = 0.75
"""Spreadsheets cut a cell off at 32,767 characters, which is most of an hour."""

Videos = Mapping[str, StoredVideo]


class Tally:
    """What was seen of the sources' rows so far."""

    def __init__(self, now: datetime | None = None) -> None:
        """Take dates after `now`, timezone-aware, for the future."""
        self._now = now or datetime.now(UTC)
        self._rows = 0
        self._repeated = 0
        self._rejected = 0
        self._placeholders: list[str] = []
        self._in_future: list[str] = []

    def row(self, row: CheckedRow) -> None:
        """Count a row."""
        self._rows += 1
        codes = {problem.reason_code for problem in row.problems}
        if row.video is None:
            self._repeated += DUPLICATE_ID in codes
            self._rejected += not codes & {DUPLICATE_ID, FETCH_FAILED}
            return
        video = row.video
        if PLACEHOLDER_TRANSCRIPT in codes:
            self._placeholders.append(video.video_id)
        if video.published_at and video.published_at > self._now + _CLOCKS_DIFFER:
            self._in_future.append(video.video_id)

    def facts(
        self,
        *,
        source: Videos,
        stored: Videos,
        plan: Plan,
        live: Manifest | None,
        other_model: str | None,
    ) -> CatalogueFacts:
        """Sum up what a run would make of an index that holds `stored`; `live` None compares with nothing."""
        stays = {
            video_id: video
            for video_id, video in stored.items()
            if video_id not in source and plan.actions.get(video_id) is not Action.REMOVE
        }
        after = {**stays, **source}
        there = stored if live else {}
        return CatalogueFacts(
            rows=self._rows,
            repeated=self._repeated,
            rejected=self._rejected,
            placeholders=tuple(self._placeholders),
            in_future=tuple(self._in_future),
            videos=len(after),
            transcribed=sum(video.transcribed for video in after.values()),
            sharing=_largest(after, lambda video: video.text_hash),
            same_title=_largest(after, lambda video: video.title_hash),
            before=Before.of(live, self._now) if live else None,
            stored=len(there),
            kept=len(source.keys() & there.keys()),
            removed=tuple(plan.ids(Action.REMOVE)) if live else (),
            lost=_those(source, there, _has_lost_its_transcript),
            shorter=_those(source, there, _is_much_shorter),
            changed=_those(source, there, _has_other_texts),
            moved=_moved(source, there),
            renamed=_renamed(source, there),
            other_model=other_model,
        )


def _those(
    source: Videos, there: Videos, is_so: Callable[[StoredVideo, StoredVideo], bool]
) -> tuple[str, ...]:
    """List the videos of which this is so, given what the source has of them and what the index has."""
    return tuple(
        video_id for video_id, video in source.items() if video_id in there and is_so(video, there[video_id])
    )


def _has_lost_its_transcript(video: StoredVideo, before: StoredVideo) -> bool:
    return before.transcribed and not video.transcribed


def _is_much_shorter(video: StoredVideo, before: StoredVideo) -> bool:
    return video.transcribed and video.characters < _MUCH_SHORTER * before.characters


def _has_other_texts(video: StoredVideo, before: StoredVideo) -> bool:
    return bool(before.title_hash) and _texts(video) != _texts(before)


def _moved(source: Videos, there: Videos) -> tuple[str, ...]:
    """List the videos with a title or transcript that is new to them, and in the index one other video's."""
    titles = _owners(there, lambda video: video.title_hash)
    texts = _owners(there, lambda video: video.text_hash)

    def is_anothers(video: StoredVideo, before: StoredVideo) -> bool:
        has_its_title = video.title_hash != before.title_hash and len(titles.get(video.title_hash, ())) == 1
        has_its_text = video.text_hash != before.text_hash and len(texts.get(video.text_hash, ())) == 1
        return has_its_title or has_its_text

    return _those(source, there, is_anothers)


def _renamed(source: Videos, there: Videos) -> tuple[str, ...]:
    """List the new videos whose title and transcript the index has under another id."""
    known = {_texts(video) for video in there.values() if video.text_hash}
    return tuple(
        video_id for video_id, video in source.items() if video_id not in there and _texts(video) in known
    )


def _texts(video: StoredVideo) -> tuple[str, str]:
    return video.title_hash, video.text_hash


def _largest(videos: Videos, trait: Callable[[StoredVideo], str]) -> tuple[str, ...]:
    """List the videos of the largest group that have a trait in common; none where no two have."""
    groups = _owners(videos, trait).values()
    largest: list[str] = max(groups, key=len, default=[])
    return tuple(largest)


def _owners(videos: Videos, trait: Callable[[StoredVideo], str]) -> Mapping[str, list[str]]:
    """Say which videos have which trait; an empty one is none."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for video_id, video in videos.items():
        if found := trait(video):
            owners[found].append(video_id)
    return owners
