"""The gate: whether what a run would make live is fit to take the place of what is. Pure.

Pipelines rot in silence: a fetch that fails writes an empty transcript, a listing that is cut off drops half
the catalogue, and whoever searches finds less and less while every run ends well. So a run that looks like
that is refused, and a person who knows better says so by name.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from ingest.errors import IngestError


class Rule(StrEnum):
    """What a run may be refused for."""

    FEWER_VIDEOS = "fewer-videos"
    REPLACED_VIDEOS = "replaced-videos"
    RENAMED_VIDEOS = "renamed-videos"
    LESS_COVERAGE = "less-coverage"
    LOST_TRANSCRIPTS = "lost-transcripts"
    SHORTER_TRANSCRIPTS = "shorter-transcripts"
    CHANGED_TEXTS = "changed-texts"
    MOVED_TEXTS = "moved-texts"
    REJECTED_ROWS = "rejected-rows"
    REPEATED_IDS = "repeated-ids"
    SHARED_TRANSCRIPTS = "shared-transcripts"
    SHARED_TITLES = "shared-titles"
    PLACEHOLDERS = "placeholders"
    FUTURE_DATES = "future-dates"
    OTHER_MODEL = "other-model"
    LOST_CANARIES = "lost-canaries"


DEFAULT_LIMITS: Mapping[Rule, float] = MappingProxyType(
    {
        Rule.FEWER_VIDEOS: 0.10,
        Rule.REPLACED_VIDEOS: 0.50,
        Rule.RENAMED_VIDEOS: 0.05,
        Rule.LESS_COVERAGE: 0.10,
        Rule.LOST_TRANSCRIPTS: 0.02,
        Rule.SHORTER_TRANSCRIPTS: 0.05,
        Rule.CHANGED_TEXTS: 0.50,
        Rule.MOVED_TEXTS: 0.02,
        Rule.REJECTED_ROWS: 0.10,
        Rule.REPEATED_IDS: 0.05,
        Rule.SHARED_TRANSCRIPTS: 3,
        Rule.SHARED_TITLES: 0.50,
        Rule.PLACEHOLDERS: 0.05,
        Rule.FUTURE_DATES: 0,
        Rule.LOST_CANARIES: 0.25,
    }
)
"""How much of each is let through: shares of 0 to 1, but for those of COUNTED. Another model is never let
through but by name."""

COUNTED = frozenset({Rule.SHARED_TRANSCRIPTS, Rule.FUTURE_DATES})
"""The rules whose limits are numbers of videos."""

_FEW: Mapping[Rule, int] = MappingProxyType(
    {
        Rule.REPLACED_VIDEOS: 10,
        Rule.RENAMED_VIDEOS: 3,
        Rule.SHORTER_TRANSCRIPTS: 3,
        Rule.CHANGED_TEXTS: 10,
        Rule.MOVED_TEXTS: 3,
        Rule.REJECTED_ROWS: 3,
        Rule.SHARED_TITLES: 10,
        Rule.PLACEHOLDERS: 3,
    }
)
"""As many are no sign of anything, however small the catalogue."""

LASTING = frozenset(
    {
        Rule.REJECTED_ROWS,
        Rule.REPEATED_IDS,
        Rule.SHARED_TRANSCRIPTS,
        Rule.SHARED_TITLES,
        Rule.PLACEHOLDERS,
        Rule.FUTURE_DATES,
    }
)
"""The rules about what a catalogue is, and not about what became of it: as much as was accepted once is let
through again, or whoever accepts it would write that into the nightly job and have no rule left."""


class Refusal(msgspec.Struct, frozen=True):
    """One rule that a run breaks, how, for a person to read, and how far, as its limit is measured."""

    rule: Rule
    reason: str
    level: float = 1.0

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.rule}: {self.reason}"


class GateError(IngestError):
    """A run that the gate refuses; one reason a line, each beginning with its rule."""

    def __init__(self, message: str, refusals: Iterable[Refusal]) -> None:
        """Say it for a person, and give `refusals` to a program."""
        super().__init__(message)
        self.refusals = tuple(refusals)


class Measured(msgspec.Struct, frozen=True):
    """How much there is of what a rule is about: as its limit is measured, in number, and for a person."""

    level: float
    count: int
    reason: str


class Gate(msgspec.Struct, frozen=True):
    """Which rules hold for a run, and how strictly."""

    limits: Mapping[Rule, float] = msgspec.field(default_factory=lambda: DEFAULT_LIMITS)
    accepted: frozenset[Rule] = frozenset()

    def refusals_of(
        self, measured: Mapping[Rule, Measured], tolerated: Mapping[str, float] = MappingProxyType({})
    ) -> list[Refusal]:
        """Say which rules are broken, accepted ones too; `tolerated` is what was accepted of each before."""
        return [
            Refusal(rule, found.reason, found.level)
            for rule, found in measured.items()
            if found.count > _FEW.get(rule, 0)
            and found.level > max(self.limits.get(rule, 0.0), tolerated.get(rule, 0.0))
        ]

    def check(self, refusals: Iterable[Refusal]) -> None:
        """Raise GateError unless every refusal was accepted by name."""
        standing = [refusal for refusal in refusals if refusal.rule not in self.accepted]
        if standing:
            told = "\n".join(map(str, standing))
            accept = " ".join(f"--accept {refusal.rule}" for refusal in standing)
            raise GateError(
                f"The run was refused.\n{told}\nMend the sources or, if they are meant to be so, run it "
                f"again with {accept}.",
                standing,
            )

    def newly_tolerated(self, refusals: Iterable[Refusal]) -> dict[str, float]:
        """Say how much of what is accepted is to be let through by later runs too."""
        return {
            str(refusal.rule): refusal.level
            for refusal in refusals
            if refusal.rule in self.accepted & LASTING
        }


def some(names: Collection[str]) -> str:
    """List the first few."""
    shown = ", ".join(list(names)[:3])
    return shown + (", ..." if len(names) > 3 else "")  # noqa: PLR2004
