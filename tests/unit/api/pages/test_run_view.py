from datetime import timedelta

import msgspec
import pytest

from api.pages.run_view import view_run
from retrieval.catalogue.runs import Run, RunOutcome
from tests.unit.api.fakes import RUN, VERSION

NOW = RUN.began_at + timedelta(hours=3)
COUNTS = {"keep": 1289, "add": 12, "rejected": 1, "re-embed": 3, "update": 2, "remove": 4}


def changed(**fields: object) -> Run:
    return msgspec.structs.replace(RUN, **fields)


def test_a_run_that_was_published() -> None:
    view = view_run(changed(counts=COUNTS), NOW)
    assert (view.outcome, view.tone, view.version) == ("Published", "good", VERSION)
    assert view.did == "12 added, 3 re-embedded, 2 updated, 4 removed, 1,289 unchanged, 1 rejected"
    assert (view.ago, view.began, view.took) == ("3 hours ago", "2024-05-31 11:00 UTC", "1 h")
    assert view.began_at == "2024-05-31T11:00:00+00:00"
    assert view.repeated == ""


@pytest.mark.parametrize("outcome", [RunOutcome.REFUSED, RunOutcome.FAILED, RunOutcome.STOPPED])
def test_what_came_to_nothing_was_planned(outcome: RunOutcome) -> None:
    view = view_run(changed(outcome=outcome, index_version=None, counts=COUNTS), NOW)
    assert view.did.startswith("Planned: 12 to add, 3 to re-embed, ")
    assert view.version == ""
    assert view.tone in {"warn", "bad"}


def test_every_outcome_has_a_word() -> None:
    words = {view_run(changed(outcome=outcome), NOW).outcome for outcome in (*RunOutcome, None)}
    assert len(words) == len(RunOutcome) + 1


def test_a_run_that_has_not_ended() -> None:
    view = view_run(changed(outcome=None, ended_at=None, index_version=None), NOW)
    assert (view.outcome, view.tone, view.took) == ("Not finished", "plain", "")
    assert view.did == "It is still running, or was killed."


def test_a_run_that_counted_nothing() -> None:
    assert view_run(changed(outcome=RunOutcome.FAILED), NOW).did == "Nothing was counted."


def test_runs_in_a_row_are_one() -> None:
    view = view_run(changed(times=5, since=RUN.began_at - timedelta(days=4)), NOW)
    assert view.repeated == "5 times in a row since 2024-05-27 11:00 UTC"


def test_no_source_and_no_reason_is_told() -> None:
    view = view_run(changed(outcome=RunOutcome.FAILED, why="/home/someone is torn", counts=COUNTS), NOW)
    assert "someone" not in repr(view)
