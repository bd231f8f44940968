"""The log of the last ingest runs, stored with the index. The status command, page and metrics read it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from retrieval.durable_files import discard_replacements, replace_file
from retrieval.errors import UnreadableLogError

RUNS_FILE = "runs.json"

RESTORED = "restored"
"""The name of the count of restored videos; only a restore has it."""

KEPT_RUNS = 20
"""The number of entries in the log. Consecutive runs with the same result share an entry."""


class RunOutcome(StrEnum):
    """The outcome of a run."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"
    STOPPED = "stopped"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of ingest. `ended_at` and `outcome` are None while it is running, or if it was killed.

    `counts` are videos by action, and rejected rows. `index_version` is the version that it published, `why`
    the reason if it was refused or failed, and `accepted` the rules of the gate accepted by name.

    If `times` > 1, the entry describes the last of so many consecutive runs with the same result, and `since`
    is the time at which the first of them began.
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
    """Return the time at which a sync last succeeded: the live version then equalled its sources.

    `runs` start with the last one. None if no sync has succeeded since a snapshot was restored, because a
    restore brings back an older state.
    """
    for run in runs:
        if run.index_version and RESTORED in run.counts:
            return None
        if run.outcome in {RunOutcome.PUBLISHED, RunOutcome.UNCHANGED}:
            return run.ended_at
    return None


def read_runs(index_dir: Path) -> tuple[Run, ...]:
    """Read the log of an embedded index, the last run first; empty if there is none.

    Raises UnreadableLogError if it cannot be read.
    """
    path = index_dir / RUNS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Run, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise UnreadableLogError(f"{path} cannot be read: {e}") from e


def write_runs(index_dir: Path, runs: Sequence[Run]) -> None:
    """Replace the log of an embedded index; the caller holds its lock. Raises OSError."""
    discard_replacements(index_dir / RUNS_FILE)
    replace_file(index_dir / RUNS_FILE, msgspec.json.format(msgspec.json.encode(runs)))
