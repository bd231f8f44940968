"""Measures a catalogue by each rule of the gate, against itself and against the live index. Pure."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType

from ingest.planning.facts import CatalogueFacts, recent_peaks
from ingest.planning.gate import Measured, Rule, some
from retrieval.catalogue.manifest import IndexCounts, Peak
from retrieval.catalogue.wording import counted, share


def measure(facts: CatalogueFacts) -> dict[Rule, Measured]:
    """Measure each rule that can be checked before anything is embedded."""
    found = {rule: measure_one(facts) for rule, measure_one in _MEASURES.items()}
    return {rule: measured for rule, measured in found.items() if measured}


def measure_canaries(lost: Collection[str], searched: int) -> dict[Rule, Measured]:
    """Measure how many of the `searched` titles no longer find their own videos; `lost` are those titles."""
    no_longer = "no longer finds its own video" if len(lost) == 1 else "no longer find their own videos"
    reason = f"{len(lost):,} of {counted(searched, 'title')} {no_longer}: {some(lost)}"
    measured = _share_of(len(lost), searched, reason)
    return {Rule.LOST_CANARIES: measured} if measured else {}


def next_peaks(
    peaks: Mapping[str, Peak], counts: IndexCounts, accepted: Collection[Rule], now: datetime
) -> dict[str, Peak]:
    """Return the peaks that later runs compare with. If a fall was accepted by name, its peak starts anew."""
    present = {
        str(Rule.FEWER_VIDEOS): float(counts.videos),
        str(Rule.LESS_COVERAGE): counts.transcript_coverage,
    }
    earlier = {name: peak for name, peak in recent_peaks(peaks, now).items() if name not in accepted}
    return {
        name: earlier[name] if name in earlier and earlier[name].value > value else Peak(value, now)
        for name, value in present.items()
    }


def _fewer_videos(facts: CatalogueFacts) -> Measured | None:
    if not facts.before or not facts.before.videos:
        return None
    most = facts.before.videos
    gone = most - facts.videos
    return Measured(gone / most, gone, f"{facts.videos:,} of {counted(most, 'video')} would be left")


def _replaced_videos(facts: CatalogueFacts) -> Measured | None:
    videos = f"{len(facts.removed):,} of {counted(facts.stored, 'video')}"
    return _share_of(len(facts.removed), facts.stored, f"{videos} would be removed: {some(facts.removed)}")


def _renamed_videos(facts: CatalogueFacts) -> Measured | None:
    found = _number(facts.renamed, "new video is", "new videos are")
    return _share_of(
        len(facts.renamed),
        facts.stored,
        f"{found} already in the index under another id: {some(facts.renamed)}",
    )


def _less_coverage(facts: CatalogueFacts) -> Measured | None:
    if not facts.before or not facts.videos:
        return None
    before, after = facts.before.coverage, facts.transcribed / facts.videos
    # 0.9 - 0.8 is slightly more than 0.1 in floating point. A fall of exactly the limit is allowed.
    fall = round(before - after, 9)
    reason = f"{share(after)} of the videos would have a transcript, down from {share(before)}"
    return Measured(fall, 1, reason)


def _lost_transcripts(facts: CatalogueFacts) -> Measured | None:
    before = facts.before.transcribed if facts.before else 0
    videos = f"{len(facts.lost):,} of {counted(before, 'transcript')}"
    return _share_of(len(facts.lost), before, f"{videos} would be lost: {some(facts.lost)}")


def _shorter_transcripts(facts: CatalogueFacts) -> Measured | None:
    reason = f"{counted(len(facts.shorter), 'transcript')} would lose more than a quarter"
    return _share_of(len(facts.shorter), facts.kept, f"{reason}: {some(facts.shorter)}")


def _changed_texts(facts: CatalogueFacts) -> Measured | None:
    videos = f"{len(facts.changed):,} of {counted(facts.kept, 'video')}"
    reason = f"{videos} would have another title or transcript: {some(facts.changed)}"
    return _share_of(len(facts.changed), facts.kept, reason)


def _moved_texts(facts: CatalogueFacts) -> Measured | None:
    videos = counted(len(facts.moved), "video")
    reason = f"{videos} would get the title or transcript of another video: {some(facts.moved)}"
    return _share_of(len(facts.moved), facts.kept, reason)


def _rejected_rows(facts: CatalogueFacts) -> Measured | None:
    rows = f"{facts.rejected:,} of {counted(facts.rows, 'row')}"
    return _share_of(
        facts.rejected, facts.rows, f"{rows} {'yields' if facts.rejected == 1 else 'yield'} no video"
    )


def _repeated_ids(facts: CatalogueFacts) -> Measured | None:
    rows = f"{facts.repeated:,} of {counted(facts.rows, 'row')}"
    return _share_of(
        facts.repeated,
        facts.rows,
        f"{rows} {'has' if facts.repeated == 1 else 'have'} the id of an earlier row",
    )


def _shared_transcripts(facts: CatalogueFacts) -> Measured | None:
    number = len(facts.sharing)
    return Measured(number, number, f"{number:,} videos have the same transcript: {some(facts.sharing)}")


def _shared_titles(facts: CatalogueFacts) -> Measured | None:
    number = len(facts.same_title)
    reason = f"{number:,} of {counted(facts.videos, 'video')} have the same title: {some(facts.same_title)}"
    return _share_of(number, facts.videos, reason)


def _placeholders(facts: CatalogueFacts) -> Measured | None:
    found = _number(facts.placeholders, "transcript is a placeholder", "transcripts are placeholders")
    reason = f"{found}, such as n/a or [Music]: {some(facts.placeholders)}"
    return _share_of(len(facts.placeholders), facts.rows, reason)


def _future_dates(facts: CatalogueFacts) -> Measured | None:
    number = len(facts.in_future)
    found = _number(facts.in_future, "video is dated", "videos are dated")
    return Measured(number, number, f"{found} in the future: {some(facts.in_future)}")


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


def _share_of(count: int, among: int, reason: str) -> Measured | None:
    return Measured(count / among, count, reason) if among else None


def _number(found: Collection[str], one: str, more: str) -> str:
    return f"{len(found):,} {one if len(found) == 1 else more}"
