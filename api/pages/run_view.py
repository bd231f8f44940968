"""What the status page tells of a run of ingest. Pure.

Never its sources, nor why it went wrong: those name files and servers, and the page is for everybody.
"""

from datetime import datetime
from typing import Literal

import msgspec

from api.pages.wording import ago
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.catalogue.wording import counted, counts_text, duration, outcome_text, timestamp

Tone = Literal["good", "warn", "bad", "plain"]

_TONES: dict[RunOutcome, Tone] = {
    RunOutcome.PUBLISHED: "good",
    RunOutcome.REFUSED: "warn",
    RunOutcome.FAILED: "bad",
    RunOutcome.STOPPED: "warn",
}


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run in words; what there is not is empty. `began_at` is as `datetime` has it."""

    outcome: str
    tone: Tone
    began_at: str
    began: str
    ago: str
    took: str
    did: str
    version: str
    repeated: str


def view_run(run: Run, now: datetime) -> RunView:
    """Put a run into words."""
    return RunView(
        outcome=outcome_text(run.outcome),
        tone=_TONES.get(run.outcome, "plain") if run.outcome else "plain",
        began_at=run.began_at.isoformat(),
        began=timestamp(run.began_at),
        ago=ago(run.began_at, now),
        took=duration((run.ended_at - run.began_at).total_seconds()) if run.ended_at else "",
        did=_did(run),
        version=run.index_version or "",
        repeated=f"{counted(run.times, 'time')} in a row since {timestamp(run.since)}" if run.since else "",
    )


def _did(run: Run) -> str:
    if run.outcome is None:
        return "It is still running, or was killed."
    return counts_text(run.counts, run.outcome) or "Nothing was counted."
