"""What the gate's rules measure: a catalogue against itself, and against the live index. Pure."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from ingest.planning.gate import Measured, Rule, some
from retrieval.catalogue.manifest import IndexCounts, Manifest, Peak
from retrieval.catalogue.wording import share

_PEAK_LASTS = timedelta(days=90)
"""A catalogue that honestly grew smaller is not held against what it was last year."""


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What a catalogue is compared with: the live version, and the most there was lately.

    What rots by a little every night is within every limit against the night before.
    """

    videos: int
    transcribed: int
    coverage: float

    @classmethod
    def of(cls, live: Manifest, now: datetime) -> "Before":
        """Read it off the live version's manifest."""
        peaks = fresh_peaks(live.peaks, now)
        most = peaks.get(Rule.FEWER_VIDEOS)
        covered = peaks.get(Rule.LESS_COVERAGE)
        return cls(
            videos=max(live.counts.videos, int(most.value) if most else 0),
            transcribed=live.counts.videos_with_transcript,
            coverage=max(live.counts.transcript_coverage, covered.value if covered else 0.0),
        )


class CatalogueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would make of the index, counted while it was planned.

    Of the sources: `rows`; `repeated`, rows with the id of an earlier one; `rejected`, rows that give no
    video for another reason than that or a failed fetch; `placeholders`, videos whose transcript only says
    that there is none; `in_future`.

    Of the whole index after the run: `videos`, `transcribed`, and the largest groups with one transcript,
    `sharing`, or one title, `same_title`.

    Of what becomes of the live index, empty where nothing is compared: `stored` videos are there, `kept` of
    them in the sources too; `removed`; `lost` have a transcript there and none in the source, `shorter` one
    that is less than three quarters as long; `changed` have another title or transcript, and `moved` one
    that is another video's there; `renamed` are new and have title and transcript of one that is there.
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
    before: Before | None = None
    stored: int = 0
    kept: int = 0
    removed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    shorter: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    other_model: str | None = None


def measure(facts: CatalogueFacts) -> dict[Rule, Measured]:
    """Measure all that can be told before anything is embedded."""
    found = {rule: measure_one(facts) for rule, measure_one in _MEASURES.items()}
    return {rule: measured for rule, measured in found.items() if measured}


def measure_canaries(lost: Collection[str], asked: int) -> dict[Rule, Measured]:
    """Measure how many of the titles that found their videos no longer do."""
    reason = f"{len(lost)} of {asked} titles no longer find their own videos: {some(lost)}"
    measured = _of(len(lost), asked, reason)
    return {Rule.LOST_CANARIES: measured} if measured else {}


def fresh_peaks(peaks: Mapping[str, Peak], now: datetime) -> dict[str, Peak]:
    """Leave out those of long ago."""
    return {name: peak for name, peak in peaks.items() if now - peak.at <= _PEAK_LASTS}


def next_peaks(
    peaks: Mapping[str, Peak], counts: IndexCounts, accepted: Collection[Rule], now: datetime
) -> dict[str, Peak]:
    """Say what later runs are compared with; a fall that was accepted by name is forgotten."""
    present = {
        str(Rule.FEWER_VIDEOS): float(counts.videos),
        str(Rule.LESS_COVERAGE): counts.transcript_coverage,
    }
    earlier = {name: peak for name, peak in fresh_peaks(peaks, now).items() if name not in accepted}
    return {
        name: earlier[name] if name in earlier and earlier[name].value > value else Peak(value, now)
        for name, value in present.items()
    }


def _fewer_videos(facts: CatalogueFacts) -> Measured | None:
    if not facts.before or not facts.before.videos:
        return None
    most = facts.before.videos
    gone = most - facts.videos
    return Measured(gone / most, gone, f"{facts.videos} videos would be left of {most}")


def _replaced_videos(facts: CatalogueFacts) -> Measured | None:
    reason = f"{len(facts.removed)} of {facts.stored} videos would be removed: {some(facts.removed)}"
    return _of(len(facts.removed), facts.stored, reason)


def _renamed_videos(facts: CatalogueFacts) -> Measured | None:
    reason = (
        f"{len(facts.renamed)} new videos are ones that the index has by other ids: {some(facts.renamed)}"
    )
    return _of(len(facts.renamed), facts.stored, reason)


def _less_coverage(facts: CatalogueFacts) -> Measured | None:
    if not facts.before or not facts.videos:
        return None
    before, after = facts.before.coverage, facts.transcribed / facts.videos
    # 0.9 - 0.8 is a little more than 0.1, and a point on the limit is within it.
    fall = round(before - after, 9)
    reason = f"{share(after)} of the videos would have a transcript, down from {share(before)}"
    return Measured(fall, 1, reason)


def _lost_transcripts(facts: CatalogueFacts) -> Measured | None:
    before = facts.before.transcribed if facts.before else 0
    reason = f"{len(facts.lost)} of {before} videos would lose their transcripts: {some(facts.lost)}"
    return _of(len(facts.lost), before, reason)


def _shorter_transcripts(facts: CatalogueFacts) -> Measured | None:
    reason = f"{len(facts.shorter)} transcripts would lose more than a quarter: {some(facts.shorter)}"
    return _of(len(facts.shorter), facts.kept, reason)


def _changed_texts(facts: CatalogueFacts) -> Measured | None:
    reason = (
        f"{len(facts.changed)} of {facts.kept} videos would have another title or transcript: "
        f"{some(facts.changed)}"
    )
    return _of(len(facts.changed), facts.kept, reason)


def _moved_texts(facts: CatalogueFacts) -> Measured | None:
    reason = f"{len(facts.moved)} videos would have the title or transcript of another: {some(facts.moved)}"
    return _of(len(facts.moved), facts.kept, reason)


def _rejected_rows(facts: CatalogueFacts) -> Measured | None:
    reason = f"{facts.rejected} of {facts.rows} rows give no video"
    return _of(facts.rejected, facts.rows, reason)


def _repeated_ids(facts: CatalogueFacts) -> Measured | None:
    reason = f"{facts.repeated} of {facts.rows} rows have the id of an earlier row"
    return _of(facts.repeated, facts.rows, reason)


def _shared_transcripts(facts: CatalogueFacts) -> Measured | None:
    number = len(facts.sharing)
    return Measured(
        number, number, f"{number} videos have one and the same transcript: {some(facts.sharing)}"
    )


def _shared_titles(facts: CatalogueFacts) -> Measured | None:
    number = len(facts.same_title)
    reason = f"{number} of {facts.videos} videos have one and the same title: {some(facts.same_title)}"
    return _of(number, facts.videos, reason)


def _placeholders(facts: CatalogueFacts) -> Measured | None:
    reason = (
        f"{len(facts.placeholders)} of {facts.rows} transcripts only say that there is none, such as n/a or "
        f"[Music]: {some(facts.placeholders)}"
    )
    return _of(len(facts.placeholders), facts.rows, reason)


def _future_dates(facts: CatalogueFacts) -> Measured | None:
    number = len(facts.in_future)
    return Measured(number, number, f"{number} videos were published in the future: {some(facts.in_future)}")


def _other_model(facts: CatalogueFacts) -> Measured | None:
    return Measured(1.0, 1, facts.other_model) if facts.other_model else None


_MEASURES: Mapping[Rule, Callable[[CatalogueFacts], Measured | None]] = MappingProxyType(
    {
        Rule.FEWER_VIDEOS: _fewer_videos,
        Rule.REPLACED_VIDEOS: _replaced_videos,
        Rule.RENAMED_VIDEOS: _renamed_videos,
        Rule.LESS_COVERAGE: _less_coverage,
        Rule.LOST_TRANSCRIPTS: _lost_transcripts,
        Rule.SHORTER_TRANSCRIPTS: _shorter_transcripts,
        Rule.CHANGED_TEXTS: _changed_texts,
        Rule.MOVED_TEXTS: _moved_texts,
        Rule.REJECTED_ROWS: _rejected_rows,
        Rule.REPEATED_IDS: _repeated_ids,
        Rule.SHARED_TRANSCRIPTS: _shared_transcripts,
        Rule.SHARED_TITLES: _shared_titles,
        Rule.PLACEHOLDERS: _placeholders,
        Rule.FUTURE_DATES: _future_dates,
        Rule.OTHER_MODEL: _other_model,
    }
)


def _of(count: int, among: int, reason: str) -> Measured | None:
    return Measured(count / among, count, reason) if among else None
