"""The gate: decides whether the version that a run would publish may replace the live one. Pure.

Pipelines decay silently: a failed fetch writes an empty transcript, or a truncated listing drops half the
catalogue, and every run still succeeds. The gate refuses a run that looks like that. An operator who knows
that the change is intended accepts the rule by name.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from ingest.errors import IngestError


class Rule(StrEnum):
    """A reason for which the gate refuses a run."""

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
"""The limit of each rule: a share from 0 to 1, or a number of videos for the rules in COUNTED. Another model
has no limit: it must be accepted by name."""

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
"""Absolute minimum: so few affected videos or rows never trigger the rule, whatever their share."""

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
"""The rules about the catalogue itself, not about a change to it. A level that was accepted once is accepted
again. Otherwise operators would put --accept into the nightly job and lose the rule."""


REFUSED = "The run was refused."
"""The first line of the message of a GateError."""


class Refusal(msgspec.Struct, frozen=True):
    """A rule that a run breaks, the reason as text, and the level in the unit of the rule's limit."""

    rule: Rule
    reason: str
    level: float = 1.0

    def __str__(self) -> str:
        """Format it as one line."""
        return f"{self.rule}: {self.reason}"


class GateError(IngestError):
    """The gate refuses the run. The message has one line per broken rule, which starts with the rule."""

    def __init__(self, message: str, refusals: Iterable[Refusal]) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


class Measured(msgspec.Struct, frozen=True):
    """The measure of one rule: in the unit of its limit, as a number of videos or rows, and as text."""

    level: float
    count: int
    reason: str


class Gate(msgspec.Struct, frozen=True):
    """The limits that apply to a run, and the rules that the operator accepted for it."""

    limits: Mapping[Rule, float] = msgspec.field(default_factory=lambda: DEFAULT_LIMITS)
    accepted: frozenset[Rule] = frozenset()

    def refusals_of(
        self, measured: Mapping[Rule, Measured], tolerated: Mapping[str, float] = MappingProxyType({})
    ) -> list[Refusal]:
        """Return the broken rules, accepted ones too; `tolerated` are the levels accepted in earlier runs."""
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
            reasons = "\n".join(map(str, standing))
            accept = " ".join(f"--accept {refusal.rule}" for refusal in standing)
            raise GateError(
                f"{REFUSED}\n{reasons}\nFix the sources. If this is intended, run it again with {accept}.",
                standing,
            )

    def newly_tolerated(self, refusals: Iterable[Refusal]) -> dict[str, float]:
        """Return the levels of accepted rules that later runs accept too."""
        return {
            str(refusal.rule): refusal.level
            for refusal in refusals
            if refusal.rule in self.accepted & LASTING
        }


def some(names: Collection[str]) -> str:
    """List the first three."""
    shown = ", ".join(list(names)[:3])
    return shown + (", ..." if len(names) > 3 else "")  # noqa: PLR2004
