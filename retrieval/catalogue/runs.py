"""The log of ingest runs, kept with the index: what an operator or a dashboard asks about first."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from retrieval.durable_files import discard_replacements, replace_file
from retrieval.errors import UnreadableLogError

RUNS_FILE = "runs.json"

RESTORED = "restored"
"""What a restore counts its videos as, and no other run does."""

KEPT_RUNS = 20
"""How many runs are remembered, the last ones; those in a row that came to the same count as one."""


class RunOutcome(StrEnum):
    """How a run ended."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"
    STOPPED = "stopped"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of ingest. `ended_at` and `outcome` are None while it is at work, and where it was killed.

    `counts` are videos by what was done to them, and rows that were rejected. `index_version` is what it made
    live, `why` what it was refused or failed for, `accepted` the rules it was let through by name.

    `times` runs in a row came to the same: the rest is said of the last one, and `since` is when the first of
    them began, None where there is but one.
    """

    began_at: datetime
    sources: tuple[str, ...]
    accepted: tuple[str, ...] = ()
    ended_at: datetime | None = None
    outcome: RunOutcome | None = None
    why: str | None = None
    index_version: str | None = None
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    times: int = 1
    since: datetime | None = None


def last_confirmed(runs: Iterable[Run]) -> datetime | None:
    """Say when a sync last went through: what was live then held what its sources did.

    `runs` have the last one first. None where no sync is known of since a snapshot was restored, which
    brought back what there was before.
    """
    for run in runs:
        if run.index_version and RESTORED in run.counts:
            return None
        if run.outcome in {RunOutcome.PUBLISHED, RunOutcome.UNCHANGED}:
            return run.ended_at
    return None


def read_runs(index_dir: Path) -> tuple[Run, ...]:
    """Read the log of an embedded index, the last run first; empty where there is none.

    Raises UnreadableLogError where it cannot be read.
    """
    path = index_dir / RUNS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Run, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise UnreadableLogError(f"{path} cannot be read: {e}") from e


def write_runs(index_dir: Path, runs: Sequence[Run]) -> None:
    """Replace the log of an embedded index, whose lock is held. Raises OSError."""
    discard_replacements(index_dir / RUNS_FILE)
    replace_file(index_dir / RUNS_FILE, msgspec.json.format(msgspec.json.encode(runs)))
