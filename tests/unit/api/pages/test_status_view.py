from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from api.observability.health import Expectations, report_health
from api.pages.status_view import StatusView, view_run, view_status
from retrieval.catalogue.runs import Run, RunOutcome
from tests.unit.api.fakes import MANIFEST, RUN, VERSION

NOW = MANIFEST.built_at + timedelta(days=3)
FAILED = msgspec.structs.replace(RUN, outcome=RunOutcome.FAILED, index_version=None, why="/home/someone")
RUN_NOW = RUN.began_at + timedelta(hours=3)
COUNTS = {"keep": 1289, "add": 12, "rejected": 1, "re-embed": 3, "update": 2, "remove": 4}


def viewed(*, runs: Sequence[Run] = (RUN,), **facts: Any) -> StatusView:
    found: dict[str, Any] = {
        "is_ready": True,
        "canary_seconds": 0.0042,
        "manifest": MANIFEST,
        "runs": runs,
        "is_stopping": False,
        "expected": Expectations(),
        "now": NOW,
    }
    return view_status(report_health(**{**found, **facts}), runs, "on-metrics-port", NOW)


def test_everything_works() -> None:
    view = viewed()
    assert (view.status, view.headline, view.summary) == (
        "pass",
        "Everything works",
        "3 videos in the index.",
    )
    assert [(check.name, check.status, check.text) for check in view.checks] == [
        ("Search", "pass", "Test search: 4.2 ms."),
        ("Index age", "pass", "Built 3 days ago."),
        ("Transcripts", "pass", "67% of the videos have a transcript."),
        ("Ingest", "pass", "Last run: published, 3 days ago."),
    ]
    assert view.checked_at == "12:00:00 UTC"
    assert view.facts
    assert [(fact.label, fact.value, fact.detail) for fact in view.facts] == [
        ("Videos", "3", ""),
        ("With a transcript", "2", "67%"),
        ("Passages", "7", ""),
        ("Built", "2024-05-31 12:00 UTC", "3 days ago"),
        ("Version", VERSION, ""),
        ("Model", "all-MiniLM-L6-v2", "384 dimensions"),
    ]


def test_a_stopping_service_is_reported_as_stopping_not_as_failing() -> None:
    view = viewed(is_stopping=True)
    assert (view.status, view.headline) == ("fail", "The service is stopping")
    assert view.summary == view.checks[-1].text
    assert view.summary == "The service is stopping. Searches are still answered until it stops."


def test_the_summary_lists_the_warnings() -> None:
    view = viewed(runs=[FAILED], expected=Expectations(most_days=2, least_coverage=0.9))
    assert (view.status, view.headline) == ("warn", "Working, with warnings")
    assert view.summary == (
        "Built 3 days ago. Older than 2 days. 67% of the videos have a transcript, fewer than "
        "expected. Last run: failed, 3 days ago."
    )
    assert [check.command for check in view.checks] == ["", "", "", "python -m ingest status"]
    assert "someone" not in repr(view)


@pytest.mark.parametrize("outcome", [*RunOutcome, None])
def test_every_outcome_of_a_run_has_a_text(outcome: RunOutcome | None) -> None:
    ended_at = RUN.ended_at if outcome else None
    view = viewed(runs=[msgspec.structs.replace(RUN, outcome=outcome, ended_at=ended_at)])
    assert view.checks[-1].text.endswith(" 3 days ago.")


def test_without_an_index_search_is_failing() -> None:
    view = viewed(is_ready=False, canary_seconds=None, manifest=None, runs=())
    assert (view.status, view.headline) == ("fail", "Search is failing")
    assert view.summary == "There is no index, or it does not respond."
    assert view.facts is None
    assert [check.text for check in view.checks] == ["Test search: failed."]
    assert view.runs == ()


def test_an_index_that_does_not_respond() -> None:
    view = viewed(is_ready=False, canary_seconds=None)
    assert (view.status, view.summary) == ("fail", "Test search: failed.")
    assert view.facts


def test_an_index_that_disappears_between_two_reads_is_no_fault() -> None:
    view = viewed(manifest=None, canary_seconds=None)
    assert (view.status, view.summary) == (
        "pass",
        "Test search: passed. Last run: published, 3 days ago.",
    )


def changed(**fields: object) -> Run:
    return msgspec.structs.replace(RUN, **fields)


def test_a_published_run() -> None:
    view = view_run(changed(counts=COUNTS), RUN_NOW)
    assert (view.outcome, view.tone, view.version) == ("Published", "good", VERSION)
    assert view.result == "12 added, 3 re-embedded, 2 updated, 4 removed, 1,289 unchanged, 1 rejected"
    assert (view.ago, view.began, view.took) == ("3 hours ago", "2024-05-31 11:00 UTC", "1 h")
    assert view.began_at == "2024-05-31T11:00:00+00:00"
    assert view.repeated == ""


@pytest.mark.parametrize("outcome", [RunOutcome.REFUSED, RunOutcome.FAILED, RunOutcome.STOPPED])
def test_a_run_that_was_not_published_shows_what_it_planned(outcome: RunOutcome) -> None:
    view = view_run(changed(outcome=outcome, index_version=None, counts=COUNTS), RUN_NOW)
    assert view.result.startswith("Planned: 12 to add, 3 to re-embed, ")
    assert view.version == ""
    assert view.tone in {"warn", "bad"}


def test_an_unfinished_run() -> None:
    view = view_run(changed(outcome=None, ended_at=None, index_version=None), RUN_NOW)
    assert (view.outcome, view.tone, view.took) == ("Not finished", "plain", "")
    assert view.result == "Still running, or killed."


def test_a_run_without_counts() -> None:
    assert view_run(changed(outcome=RunOutcome.FAILED), RUN_NOW).result == "No counts."


def test_repeated_runs_are_one_entry() -> None:
    view = view_run(changed(times=5, since=RUN.began_at - timedelta(days=4)), RUN_NOW)
    assert view.repeated == "5 times in a row since 2024-05-27 11:00 UTC"


@pytest.mark.parametrize(("timed", "reported"), [(0, 1), (1, 1), (2, 0), (None, 0)])
def test_missing_times_are_reported_with_the_transcripts(timed: int | None, reported: int) -> None:
    health = report_health(
        is_ready=True,
        canary_seconds=0.0042,
        manifest=MANIFEST,
        runs=(),
        is_stopping=False,
        expected=Expectations(),
        now=NOW,
    )
    view = view_status(health, (), "on-metrics-port", NOW, timed_transcripts=timed)
    (text,) = (check.text for check in view.checks if check.name == "Transcripts")
    assert text.startswith("67% of the videos have a transcript.")
    assert text.count("2 transcripts, ") == text.count("To get times, ") == reported
    assert view.status == "pass"
