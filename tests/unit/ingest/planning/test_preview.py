from ingest.planning.gate import Refusal, Rule
from ingest.planning.plan import Action, Plan
from ingest.planning.preview import describe_estimate, preview_of

PLAN = Plan({"a": Action.ADD, "b": Action.KEEP, "c": Action.REEMBED, "d": Action.REMOVE, "e": Action.KEEP})


def test_a_preview_lists_what_changes_and_counts_the_rest() -> None:
    refusal = Refusal(Rule.FEWER_VIDEOS, "1 videos would be left of 9")
    reasons = {"rejected: missing": 2, "note: no-transcript": 7, "warning: bad-url": 1}
    preview = preview_of(PLAN, [refusal], reasons, words=900, cores=2)
    assert preview.actions == {"add": ["a"], "re-embed": ["c"], "update": [], "remove": ["d"]}
    assert preview.keep == 2
    assert preview.rejected == {"missing": 2}
    assert preview.refusals == [refusal]
    # Two titles, two whole transcripts, ten passages.
    assert preview.texts == 14
    assert preview.seconds == round(14 / 60, 1)


def test_an_estimate_is_told_in_the_unit_it_needs() -> None:
    def told(words: int) -> str | None:
        return describe_estimate(preview_of(PLAN, [], {}, words=words, cores=2))

    assert "about 0.1 s" in str(told(0))
    assert "about 50 s" in str(told(90 * 3000))
    assert "about 20 min" in str(told(90 * 72_000))
    assert "about 4 h 37 min" in str(told(90 * 1_000_000))


def test_nothing_to_embed_has_no_estimate() -> None:
    assert describe_estimate(preview_of(Plan({"b": Action.KEEP}), [], {}, words=0, cores=2)) is None
