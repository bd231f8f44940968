"""`python -m ingest sync` in a process of its own, killed at a chosen moment of its life."""

import random
import subprocess
import time
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from retrieval.edge.generations import MANIFEST_FILE, Generations
from tests.support.processes import PATIENCE, REPOSITORY, Ingest, command, environment

SAID_BEFORE_FINISHING = "Optimizing the index"
_A_LOOK = 0.001


class Phase(IntEnum):
    """How far a run has come, by what it has done to the disk and said."""

    STARTING = 0
    EMBEDDING = 1
    FINISHING = 2
    PUBLISHING = 3
    LIVE = 4


# By the clock nine kills of ten would fall into the first two, and next to none into publishing.
_SHARES = {
    Phase.STARTING: 0.2,
    Phase.EMBEDDING: 0.3,
    Phase.FINISHING: 0.2,
    Phase.PUBLISHING: 0.15,
    Phase.LIVE: 0.15,
}

_SURELY_THERE = 0.6
"""The part of the last phase in which a run that is quicker than the measured one has not ended yet."""

Lengths = Mapping[Phase, float]
"""How many seconds each phase takes when nothing stops it."""


class Moment(msgspec.Struct, frozen=True):
    """A point of a run's life: when so much of a phase is over, 0 to 1."""

    phase: Phase
    over: float

    def __str__(self) -> str:
        return f"{self.over:.0%} of {self.phase.name}"


def moments(chance: random.Random, count: int) -> list[Moment]:
    """Draw points of a run's life, each from a part of it that is later than the one before."""
    return [_moment((part + chance.random()) / count) for part in range(count)]


def _moment(share: float) -> Moment:
    *earlier, last = _SHARES
    for phase in earlier:
        if share < _SHARES[phase]:
            return Moment(phase, share / _SHARES[phase])
        share -= _SHARES[phase]
    return Moment(last, share / _SHARES[last] * _SURELY_THERE)


class WatchedSync:
    """A sync under way, watched from outside. Kills it where the block ends before it does."""

    def __init__(self, ingest: Ingest, *arguments: str | Path) -> None:
        """Start it; what it says goes into a file beside the index, as a pipe could fill up."""
        self._index_dir = ingest.index_dir
        self._pointer = Generations(ingest.index_dir).pointer()
        self._earlier = self._folders()
        self._said = ingest.index_dir.parent / "said.txt"
        self._began: dict[Phase, float] = {}
        self._ended = 0.0
        with self._said.open("w") as said:
            self._started = time.monotonic()
            self._process = subprocess.Popen(
                command("ingest", "sync", *arguments),
                cwd=REPOSITORY,
                env=environment(**ingest.environment),
                stdout=said,
                stderr=said,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)

    def ended(self) -> str:
        """Let it through, and return what it said."""
        self._wait_for(None)
        self._ended = time.monotonic()
        assert self._process.wait(PATIENCE) == 0, self.said
        return self.said

    def lengths(self) -> Lengths:
        """Say how long each phase took, once it has ended; one that no look fell into took no time."""
        ended = self._ended
        lengths: dict[Phase, float] = {}
        for phase in reversed(Phase):
            began = self._began.get(phase, ended)
            lengths[phase] = ended - began
            ended = began
        return lengths

    def killed_at(self, moment: Moment, lengths: Lengths) -> tuple[bool, float]:
        """Kill it then; say whether it was still running, and how many seconds old it was."""
        self._wait_for(moment.phase)
        time.sleep(moment.over * lengths[moment.phase])
        self._process.kill()
        age = time.monotonic() - self._started
        return self._process.wait(PATIENCE) < 0, age

    @property
    def said(self) -> str:
        """All that it has said so far."""
        return self._said.read_text(encoding="utf-8")

    @property
    def phase(self) -> Phase:
        """How far it has come."""
        # Asked in the order in which it all happens, so that nothing is missed in between.
        began = self._folders()
        if Generations(self._index_dir).pointer() != self._pointer:
            return Phase.LIVE
        own = [folder for folder in began | self._folders() if folder not in self._earlier]
        if any(folder.parent.name == "generations" or _has_own_manifest(folder) for folder in own):
            return Phase.PUBLISHING
        if own:
            return Phase.FINISHING if SAID_BEFORE_FINISHING in self.said else Phase.EMBEDDING
        return Phase.STARTING

    def _wait_for(self, wanted: Phase | None) -> None:
        """Return as soon as it has come so far, or ended."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            phase = self.phase
            self._began.setdefault(phase, time.monotonic())
            if wanted is not None and phase >= wanted:
                return
            assert time.monotonic() < deadline, f"{phase.name} for {PATIENCE} s: {self.said}"
            time.sleep(_A_LOOK)

    def _folders(self) -> set[Path]:
        return {*_inside(self._index_dir / "building"), *_inside(self._index_dir / "generations")}


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:  # Not made yet, or deleted just now.
        return []


def _has_own_manifest(folder: Path) -> bool:
    """Tell whether a version has a manifest, and not that of the version it was copied from."""
    try:
        return folder.name in (folder / MANIFEST_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
