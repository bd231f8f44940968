"""What a run would change, as the gate's rules compare it with the live index. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from ingest.planning.gate import Rule
from ingest.planning.plan import Action, Plan
from ingest.planning.row_counts import RowCounts
from retrieval.catalogue.manifest import Manifest, Peak
from retrieval.index.writing import StoredVideo

_PEAK_AGE = timedelta(days=90)
"""Older peaks are ignored, so that a catalogue may shrink slowly for good reasons."""

_MUCH_SHORTER = 0.75
"""Spreadsheets cut cells off at 32,767 characters, which is most of an hour of speech."""

Videos = Mapping[str, StoredVideo]


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a catalogue is compared with: the live version and the recent peaks.

    Without the peaks, a catalogue that loses a little every night would pass every comparison.
    """

    videos: int
    transcribed: int
    coverage: float

    @classmethod
    def of(cls, live: Manifest, now: datetime) -> "Baseline":
        """Build it from the manifest of the live version."""
        peaks = recent_peaks(live.peaks, now)
        most = peaks.get(Rule.FEWER_VIDEOS)
        covered = peaks.get(Rule.LESS_COVERAGE)
        return cls(
            videos=max(live.counts.videos, int(most.value) if most else 0),
            transcribed=live.counts.videos_with_transcript,
            coverage=max(live.counts.transcript_coverage, covered.value if covered else 0.0),
        )


class CatalogueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would make of the index, as far as the plan shows it.

    Of the sources: `rows`; `repeated`, rows with the id of an earlier row; `rejected`, rows that yield no
    video for any other reason except a failed fetch; `placeholders`, videos whose transcript is a placeholder
    such as "n/a"; `in_future`, videos with a future date.

    Of the whole index after the run: `videos`, `transcribed`, and the largest groups of videos with the same
    transcript (`sharing`) or title (`same_title`).

    Of the change to the live index, all empty on a first run: `stored`, its videos; `kept`, those that are
    in the sources too; `removed`; `lost`, those that lose their transcript; `shorter`, those whose transcript
    loses more than a quarter; `changed`, those with another title or transcript; `moved`, those that get the
    title or transcript of another video; `renamed`, new videos with the title and transcript of a stored one.
    """

    rows: int
    videos: int
    transcribed: int
    repeated: int = 0
    rejected: int = 0
    placeholders: tuple[str, ...] = ()
    in_future: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()
    same_title: tuple[str, ...] = ()
    before: Baseline | None = None
    stored: int = 0
    kept: int = 0
    removed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    shorter: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    other_model: str | None = None


def catalogue_facts(
    counts: RowCounts,
    *,
    source: Videos,
    stored: Videos,
    plan: Plan,
    live: Manifest | None,
    other_model: str | None,
) -> CatalogueFacts:
    """Describe what a run would make of an index that contains `stored`; without `live`, nothing compares."""
    carried_over = {
        video_id: video
        for video_id, video in stored.items()
        if video_id not in source and plan.actions.get(video_id) is not Action.REMOVE
    }
    after = {**carried_over, **source}
    compared = stored if live else {}
    return CatalogueFacts(
        rows=counts.rows,
        repeated=counts.repeated,
        rejected=counts.invalid,
        placeholders=tuple(counts.placeholders),
        in_future=tuple(counts.in_future),
        videos=len(after),
        transcribed=sum(video.transcribed for video in after.values()),
        sharing=_largest_group(after, lambda video: video.text_hash),
        same_title=_largest_group(after, lambda video: video.title_hash),
        before=Baseline.of(live, counts.now) if live else None,
        stored=len(compared),
        kept=len(source.keys() & compared.keys()),
        removed=tuple(plan.ids(Action.REMOVE)) if live else (),
        lost=_matching(source, compared, lambda now, before: before.transcribed and not now.transcribed),
        shorter=_matching(source, compared, _is_much_shorter),
        changed=_matching(source, compared, _has_other_texts),
        moved=_moved(source, compared),
        renamed=_renamed(source, compared),
        other_model=other_model,
    )


def recent_peaks(peaks: Mapping[str, Peak], now: datetime) -> dict[str, Peak]:
    """Drop the peaks that are too old to compare with."""
    return {name: peak for name, peak in peaks.items() if now - peak.at <= _PEAK_AGE}


def _matching(
    source: Videos, compared: Videos, matches: Callable[[StoredVideo, StoredVideo], bool]
) -> tuple[str, ...]:
    """Return the ids of the videos for which `matches(in the source, in the index)` holds."""
    return tuple(
        video_id
        for video_id, video in source.items()
        if video_id in compared and matches(video, compared[video_id])
    )


def _is_much_shorter(now: StoredVideo, before: StoredVideo) -> bool:
    return now.transcribed and now.characters < _MUCH_SHORTER * before.characters


def _has_other_texts(now: StoredVideo, before: StoredVideo) -> bool:
    return bool(before.title_hash) and _texts(now) != _texts(before)


def _moved(source: Videos, compared: Videos) -> tuple[str, ...]:
    """Return the videos that get a title or transcript that exactly one other stored video has."""
    titles = _owners(compared, lambda video: video.title_hash)
    texts = _owners(compared, lambda video: video.text_hash)

    def has_texts_of_another(now: StoredVideo, before: StoredVideo) -> bool:
        title_moved = now.title_hash != before.title_hash and len(titles.get(now.title_hash, ())) == 1
        text_moved = now.text_hash != before.text_hash and len(texts.get(now.text_hash, ())) == 1
        return title_moved or text_moved

    return _matching(source, compared, has_texts_of_another)


def _renamed(source: Videos, compared: Videos) -> tuple[str, ...]:
    """Return the new videos whose title and transcript the index has under another id."""
    known = {_texts(video) for video in compared.values() if video.text_hash}
    return tuple(
        video_id for video_id, video in source.items() if video_id not in compared and _texts(video) in known
    )


def _texts(video: StoredVideo) -> tuple[str, str]:
    return video.title_hash, video.text_hash


def _largest_group(videos: Videos, trait: Callable[[StoredVideo], str]) -> tuple[str, ...]:
    """Return the videos of the largest group that shares a trait; empty traits are ignored."""
    largest: list[str] = max(_owners(videos, trait).values(), key=len, default=[])
    return tuple(largest)


def _owners(videos: Videos, trait: Callable[[StoredVideo], str]) -> Mapping[str, list[str]]:
    """Group video ids by a trait; empty traits are ignored."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for video_id, video in videos.items():
        if found := trait(video):
            owners[found].append(video_id)
    return owners
