"""`python -m ingest sync` as a process that is killed at a chosen moment."""

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
    """The progress of a run, judged by its files and its output."""

    STARTING = 0
    EMBEDDING = 1
    FINISHING = 2
    PUBLISHING = 3
    LIVE = 4


# If drawn by time, nine of ten kills would fall into the first two phases, and almost none into publishing.
_SHARES = {
    Phase.STARTING: 0.2,
    Phase.EMBEDDING: 0.3,
    Phase.FINISHING: 0.2,
    Phase.PUBLISHING: 0.15,
    Phase.LIVE: 0.15,
}

_SURELY_THERE = 0.6
"""The part of the last phase in which a run faster than the measured one has not ended yet."""

Lengths = Mapping[Phase, float]
"""The length of each phase of a completed run, in seconds."""


class Moment(msgspec.Struct, frozen=True):
    """A moment of a run: the phase, and the share of it that is over, 0 to 1."""

    phase: Phase
    over: float

    def __str__(self) -> str:
        return f"{self.over:.0%} of {self.phase.name}"


def moments(chance: random.Random, count: int) -> list[Moment]:
    """Draw moments of a run, each from a later part of it than the one before."""
    return [_moment((part + chance.random()) / count) for part in range(count)]


def _moment(share: float) -> Moment:
    *earlier, last = _SHARES
    for phase in earlier:
        if share < _SHARES[phase]:
            return Moment(phase, share / _SHARES[phase])
        share -= _SHARES[phase]
    return Moment(last, share / _SHARES[last] * _SURELY_THERE)


class WatchedSync:
    """A running sync, watched from outside. Kills it if the block ends first."""

    def __init__(self, ingest: Ingest, *arguments: str | Path) -> None:
        """Start it. Its output goes into a file next to the index, as a pipe could fill up."""
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
        """Wait for its end, and return its output."""
        self._wait_for(None)
        self._ended = time.monotonic()
        assert self._process.wait(PATIENCE) == 0, self.said
        return self.said

    def lengths(self) -> Lengths:
        """Return the length of each phase after the end. A phase that was not observed has length 0."""
        ended = self._ended
        lengths: dict[Phase, float] = {}
        for phase in reversed(Phase):
            began = self._began.get(phase, ended)
            lengths[phase] = ended - began
            ended = began
        return lengths

    def killed_at(self, moment: Moment, lengths: Lengths) -> tuple[bool, float]:
        """Kill it at this moment; return whether it was still running, and its age in seconds."""
        self._wait_for(moment.phase)
        time.sleep(moment.over * lengths[moment.phase])
        self._process.kill()
        age = time.monotonic() - self._started
        return self._process.wait(PATIENCE) < 0, age

    @property
    def said(self) -> str:
        """Its output so far."""
        return self._said.read_text(encoding="utf-8")

    @property
    def phase(self) -> Phase:
        """Its current phase."""
        # Checked in the order of the phases, so that none is missed.
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
        """Return when it has reached this phase, or ended."""
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
    """Return whether a version has its own manifest, not that of the version it was copied from."""
    try:
        return folder.name in (folder / MANIFEST_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
