"""What the status page tells of a run of ingest. Pure.

Never its sources, nor why it went wrong: those name files and servers, and the page is for everybody.
"""

from datetime import datetime
from typing import Literal

import msgspec

from api.pages.wording import ago, counted, lasting, moment
from retrieval.catalogue.runs import Run, RunOutcome

Tone = Literal["good", "warn", "bad", "plain"]

_OUTCOMES: dict[RunOutcome, tuple[str, Tone]] = {
    RunOutcome.PUBLISHED: ("Published", "good"),
    RunOutcome.UNCHANGED: ("Unchanged", "plain"),
    RunOutcome.REFUSED: ("Refused", "warn"),
    RunOutcome.FAILED: ("Failed", "bad"),
    RunOutcome.STOPPED: ("Stopped", "warn"),
}

# As a run counts them, in the order in which they are told: what it did, and what it was about to do.
_DONE = {
    "add": "added",
    "re-embed": "embedded anew",
    "update": "updated",
    "remove": "removed",
    "keep": "as they were",
    "rejected": "rejected",
}
_PLANNED = {
    "add": "to add",
    "re-embed": "to embed anew",
    "update": "to update",
    "remove": "to remove",
    "keep": "to keep",
    "rejected": "rejected",
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
    outcome, tone = _OUTCOMES[run.outcome] if run.outcome else ("Not ended", "plain")
    return RunView(
        outcome=outcome,
        tone=tone,
        began_at=run.began_at.isoformat(),
        began=moment(run.began_at),
        ago=ago(run.began_at, now),
        took=lasting((run.ended_at - run.began_at).total_seconds()) if run.ended_at else "",
        did=_did(run),
        version=run.index_version or "",
        repeated=f"{counted(run.times, 'time')} in a row since {moment(run.since)}" if run.since else "",
    )


def _did(run: Run) -> str:
    if run.outcome is None:
        return "It is at work, or was killed."
    is_done = run.outcome in {RunOutcome.PUBLISHED, RunOutcome.UNCHANGED}
    words = _DONE if is_done else _PLANNED
    told = [f"{run.counts[name]:,} {word}" for name, word in words.items() if run.counts.get(name)]
    if not told:
        return "Nothing was counted."
    return ", ".join(told) if is_done else f"Planned: {', '.join(told)}"
