from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.planning.facts import Baseline, CatalogueFacts
from ingest.planning.gate import Gate, GateError, Refusal, Rule
from ingest.planning.rules import measure, measure_canaries, next_peaks
from retrieval.catalogue.manifest import IndexCounts, Manifest, ModelIdentity, PassageSettings, Peak

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BEFORE = Baseline(videos=100, transcribed=90, coverage=0.9)
SOUND = CatalogueFacts(rows=100, videos=100, transcribed=90, before=BEFORE, stored=100, kept=100)
NAMES = tuple(f"v{n}" for n in range(100))


def refusals(facts: CatalogueFacts, gate: Gate = Gate(), **tolerated: float) -> list[Refusal]:  # noqa: B008
    return gate.refusals_of(measure(facts), tolerated)


def broken(facts: CatalogueFacts) -> set[Rule]:
    return {refusal.rule for refusal in refusals(facts)}


@pytest.mark.parametrize(
    ("rule", "just", "over"),
    [
        (Rule.FEWER_VIDEOS, {"videos": 90, "transcribed": 81}, {"videos": 89, "transcribed": 81}),
        (Rule.REPLACED_VIDEOS, {"removed": NAMES[:50]}, {"removed": NAMES[:51]}),
        (Rule.RENAMED_VIDEOS, {"renamed": NAMES[:5]}, {"renamed": NAMES[:6]}),
        (Rule.LESS_COVERAGE, {"transcribed": 80}, {"transcribed": 79}),
        (Rule.LOST_TRANSCRIPTS, {"lost": NAMES[:1]}, {"lost": NAMES[:2]}),
        (Rule.SHORTER_TRANSCRIPTS, {"shorter": NAMES[:5]}, {"shorter": NAMES[:6]}),
        (Rule.CHANGED_TEXTS, {"changed": NAMES[:50]}, {"changed": NAMES[:51]}),
        (Rule.MOVED_TEXTS, {"moved": NAMES[:3]}, {"moved": NAMES[:4]}),
        (Rule.REJECTED_ROWS, {"rejected": 10}, {"rejected": 11}),
        (Rule.REPEATED_IDS, {"repeated": 5}, {"repeated": 6}),
        (Rule.SHARED_TRANSCRIPTS, {"sharing": NAMES[:3]}, {"sharing": NAMES[:4]}),
        (Rule.SHARED_TITLES, {"same_title": NAMES[:50]}, {"same_title": NAMES[:51]}),
        (Rule.PLACEHOLDERS, {"placeholders": NAMES[:5]}, {"placeholders": NAMES[:6]}),
        (Rule.FUTURE_DATES, {"in_future": ()}, {"in_future": NAMES[:1]}),
        (Rule.OTHER_MODEL, {"other_model": None}, {"other_model": "another one"}),
    ],
)
def test_each_rule_allows_exactly_its_limit(
    rule: Rule, just: dict[str, object], over: dict[str, object]
) -> None:
    assert broken(msgspec.structs.replace(SOUND, **just)) == set()
    assert broken(msgspec.structs.replace(SOUND, **over)) == {rule}


def test_three_placeholders_never_break_the_rule_however_small_the_catalogue() -> None:
    small = CatalogueFacts(rows=3, videos=3, transcribed=0, placeholders=NAMES[:3])
    assert broken(small) == set()
    assert broken(msgspec.structs.replace(small, rows=4, videos=4, placeholders=NAMES[:4])) == {
        Rule.PLACEHOLDERS
    }


def test_a_first_catalogue_is_compared_with_nothing() -> None:
    assert broken(CatalogueFacts(rows=1, videos=1, transcribed=0)) == set()


def test_too_many_lost_canaries_are_reported_by_title() -> None:
    gate = Gate()
    assert gate.refusals_of(measure_canaries(["one", "two"], 8)) == []
    assert gate.refusals_of(measure_canaries([], 0)) == []
    (refusal,) = gate.refusals_of(measure_canaries(["one", "two", "three"], 8))
    assert str(refusal) == "lost-canaries: 3 of 8 titles no longer find their own videos: one, two, three"


def test_each_reason_is_a_line_and_the_last_line_names_the_options_to_accept_them() -> None:
    found = refusals(msgspec.structs.replace(SOUND, repeated=50, in_future=NAMES[:4]))
    with pytest.raises(GateError) as refused:
        Gate().check(found)
    first, *reasons, last = str(refused.value).splitlines()
    assert first == "The run was refused."
    assert reasons == [
        "repeated-ids: 50 of 100 rows have the id of an earlier row",
        "future-dates: 4 videos are dated in the future: v0, v1, v2, ...",
    ]
    assert last.endswith("--accept repeated-ids --accept future-dates.")


def test_accepting_a_rule_accepts_no_other() -> None:
    found = refusals(msgspec.structs.replace(SOUND, repeated=50, in_future=NAMES[:4]))
    with pytest.raises(GateError, match="future-dates") as refused:
        Gate(accepted=frozenset({Rule.REPEATED_IDS})).check(found)
    assert "repeated-ids" not in str(refused.value)
    Gate(accepted=frozenset({Rule.REPEATED_IDS, Rule.FUTURE_DATES})).check(found)


def test_an_accepted_level_is_accepted_again_but_no_higher_one() -> None:
    gate = Gate(accepted=frozenset({Rule.FUTURE_DATES, Rule.FEWER_VIDEOS}))
    found = refusals(msgspec.structs.replace(SOUND, in_future=NAMES[:2], videos=50, transcribed=45))
    tolerated = gate.newly_tolerated(found)
    # A change to the catalogue is accepted only once.
    assert tolerated == {"future-dates": 2}
    assert refusals(msgspec.structs.replace(SOUND, in_future=NAMES[:2]), **tolerated) == []
    (refusal,) = refusals(msgspec.structs.replace(SOUND, in_future=NAMES[:3]), **tolerated)
    assert refusal.rule is Rule.FUTURE_DATES


def manifest(videos: int, transcribed: int, peaks: dict[str, Peak]) -> Manifest:
    return Manifest(
        index_version="v",
        model=ModelIdentity("words", "0" * 64, 4),
        passage_settings=PassageSettings(),
        counts=IndexCounts(videos, videos, transcribed),
        built_at=NOW,
        peaks=peaks,
    )


def test_a_catalogue_is_compared_with_its_recent_peak() -> None:
    """A catalogue that loses a little every night is within the limit every night."""
    peaks, counts = {}, IndexCounts(200, 400, 200)
    for night in range(20):
        now = NOW + timedelta(days=night)
        peaks = next_peaks(peaks, counts, [], now)
        before = Baseline.of(manifest(counts.videos, counts.videos_with_transcript, peaks), now)
        videos = counts.videos - 4
        facts = CatalogueFacts(
            rows=videos, videos=videos, transcribed=videos - night, before=before, stored=counts.videos
        )
        if broken(facts):
            break
        counts = IndexCounts(videos, 2 * videos, videos - night)
    assert night == 5
    assert broken(facts) == {Rule.FEWER_VIDEOS}
    # The fall was accepted by name, or the peak is too old.
    assert next_peaks(peaks, counts, [Rule.FEWER_VIDEOS], now)["fewer-videos"].value == counts.videos
    later = now + timedelta(days=91)
    assert next_peaks(peaks, counts, [], later)["fewer-videos"].value == counts.videos


counts = st.integers(0, 50)


@given(counts, counts, counts, counts, counts, counts)
def test_more_good_videos_never_break_a_rule(
    before: int, kept: int, transcribed: int, transcribed_before: int, repeated: int, more: int
) -> None:
    """A catalogue that gains only good videos breaks no new rule."""
    facts = CatalogueFacts(
        rows=kept + repeated,
        repeated=repeated,
        videos=kept,
        transcribed=min(transcribed, kept),
        before=Baseline(
            videos=before,
            transcribed=min(transcribed_before, before),
            coverage=min(transcribed_before, before) / before if before else 0.0,
        ),
    )
    grown = msgspec.structs.replace(
        facts,
        rows=facts.rows + more,
        videos=facts.videos + more,
        transcribed=facts.transcribed + more,
    )
    without_empty = {Rule.LESS_COVERAGE} if not facts.videos else set()
    assert broken(grown) - without_empty <= broken(facts)
