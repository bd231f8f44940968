import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.gate import (
    DEFAULT_LIMITS,
    CatalogueFacts,
    Gate,
    GateError,
    Rule,
    lost_canaries,
    refusals_of,
)
from retrieval.settings import SettingsError

SOUND = CatalogueFacts(
    rows=100, repeated=0, videos=100, transcribed=90, videos_before=100, transcribed_before=90
)
NAMES = tuple(f"v{n}" for n in range(100))


def broken(facts: CatalogueFacts) -> set[Rule]:
    return {refusal.rule for refusal in refusals_of(facts, DEFAULT_LIMITS)}


def test_nothing_is_held_against_a_catalogue_that_stays_as_it_is() -> None:
    assert broken(SOUND) == set()


@pytest.mark.parametrize(
    ("rule", "just", "over"),
    [
        (Rule.FEWER_VIDEOS, {"videos": 90, "transcribed": 81}, {"videos": 89, "transcribed": 81}),
        (Rule.LESS_COVERAGE, {"transcribed": 80}, {"transcribed": 79}),
        (Rule.LOST_TRANSCRIPTS, {"lost": NAMES[:1]}, {"lost": NAMES[:2]}),
        (Rule.REPEATED_IDS, {"repeated": 5}, {"repeated": 6}),
        (Rule.SHARED_TRANSCRIPTS, {"sharing": NAMES[:3]}, {"sharing": NAMES[:4]}),
        (Rule.PLACEHOLDERS, {"placeholders": NAMES[:5]}, {"placeholders": NAMES[:6]}),
        (Rule.FUTURE_DATES, {"in_future": ()}, {"in_future": NAMES[:1]}),
        (Rule.OTHER_MODEL, {"other_model": None}, {"other_model": "another one"}),
    ],
)
def test_each_rule_lets_through_what_is_just_within_it(
    rule: Rule, just: dict[str, object], over: dict[str, object]
) -> None:
    assert broken(msgspec.structs.replace(SOUND, **just)) == set()
    assert broken(msgspec.structs.replace(SOUND, **over)) == {rule}


def test_three_placeholders_are_no_sign_of_anything_in_a_catalogue_of_three() -> None:
    small = CatalogueFacts(rows=3, repeated=0, videos=3, transcribed=0, placeholders=NAMES[:3])
    assert broken(small) == set()
    assert broken(msgspec.structs.replace(small, rows=4, videos=4, placeholders=NAMES[:4])) == {
        Rule.PLACEHOLDERS
    }


def test_a_first_catalogue_is_compared_with_nothing() -> None:
    assert broken(CatalogueFacts(rows=1, repeated=0, videos=1, transcribed=0)) == set()


def test_too_many_canaries_that_are_lost_are_told_by_title() -> None:
    assert lost_canaries(["one", "two"], 8, DEFAULT_LIMITS) == []
    assert lost_canaries([], 0, DEFAULT_LIMITS) == []
    (refusal,) = lost_canaries(["one", "two", "three"], 8, DEFAULT_LIMITS)
    assert str(refusal) == ("lost-canaries: 3 of 8 titles no longer find their own videos: one, two, three")


def test_each_reason_is_a_line_and_the_last_says_how_to_accept_them() -> None:
    refusals = refusals_of(msgspec.structs.replace(SOUND, repeated=50, in_future=NAMES[:4]), DEFAULT_LIMITS)
    with pytest.raises(GateError) as refused:
        Gate().check(refusals)
    first, *reasons, last = str(refused.value).splitlines()
    assert first == "The run was refused."
    assert reasons == [
        "repeated-ids: 50 of 100 rows have the id of an earlier row",
        "future-dates: 4 videos were published in the future: v0, v1, v2, ...",
    ]
    assert last.endswith("--accept repeated-ids --accept future-dates.")


def test_accepting_a_rule_accepts_no_other() -> None:
    refusals = refusals_of(msgspec.structs.replace(SOUND, repeated=50, in_future=NAMES[:4]), DEFAULT_LIMITS)
    with pytest.raises(GateError, match="future-dates") as refused:
        Gate(accepted=frozenset({Rule.REPEATED_IDS})).check(refusals)
    assert "repeated-ids" not in str(refused.value)
    Gate(accepted=frozenset({Rule.REPEATED_IDS, Rule.FUTURE_DATES})).check(refusals)


def test_limits_are_read_from_the_environment() -> None:
    gate = Gate.from_environment({"GATE_FEWER_VIDEOS": "0.5", "GATE_FUTURE_DATES": ""}, [Rule.OTHER_MODEL])
    assert gate.limits == {**DEFAULT_LIMITS, Rule.FEWER_VIDEOS: 0.5}
    assert gate.accepted == {Rule.OTHER_MODEL}
    for bad in ("-1", "ten", "nan", "inf"):
        with pytest.raises(SettingsError, match="GATE_REPEATED_IDS"):
            Gate.from_environment({"GATE_REPEATED_IDS": bad})


counts = st.integers(0, 50)


@given(counts, counts, counts, counts, counts, counts)
def test_more_of_the_same_is_never_worse(
    before: int, kept: int, transcribed: int, transcribed_before: int, repeated: int, more: int
) -> None:
    """A catalogue that only grows by good videos breaks no rule that it did not break before."""
    facts = CatalogueFacts(
        rows=kept + repeated,
        repeated=repeated,
        videos=kept,
        transcribed=min(transcribed, kept),
        videos_before=before,
        transcribed_before=min(transcribed_before, before),
    )
    grown = msgspec.structs.replace(
        facts,
        rows=facts.rows + more,
        videos=facts.videos + more,
        transcribed=facts.transcribed + more,
    )
    without_empty = {Rule.LESS_COVERAGE} if not facts.videos else set()
    assert broken(grown) - without_empty <= broken(facts)
