"""The gate: whether what a run would make live is fit to take the place of what is. Pure.

Pipelines rot in silence: a fetch that fails writes an empty transcript, a listing that is cut off drops half
the catalogue, and whoever searches finds less and less while every run ends well. So a run that looks like
that is refused, and a person who knows better says so by name.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from ingest.errors import IngestError
from retrieval.settings import SettingsError


class Rule(StrEnum):
    """What a run may be refused for."""

    FEWER_VIDEOS = "fewer-videos"
    LESS_COVERAGE = "less-coverage"
    LOST_TRANSCRIPTS = "lost-transcripts"
    REPEATED_IDS = "repeated-ids"
    SHARED_TRANSCRIPTS = "shared-transcripts"
    PLACEHOLDERS = "placeholders"
    FUTURE_DATES = "future-dates"
    OTHER_MODEL = "other-model"
    LOST_CANARIES = "lost-canaries"


DEFAULT_LIMITS: Mapping[Rule, float] = MappingProxyType(
    {
        Rule.FEWER_VIDEOS: 0.10,
        Rule.LESS_COVERAGE: 0.10,
        Rule.LOST_TRANSCRIPTS: 0.02,
        Rule.REPEATED_IDS: 0.05,
        Rule.SHARED_TRANSCRIPTS: 3,
        Rule.PLACEHOLDERS: 0.05,
        Rule.FUTURE_DATES: 0,
        Rule.LOST_CANARIES: 0.25,
    }
)
"""How much of each is let through: shares of 0 to 1, but for shared transcripts, which is videos to one text,
and future dates, which is videos. Another model is never let through but by name."""


_FEW_PLACEHOLDERS = 3
"""As many are no sign of anything, however small the catalogue: n/a is how some write that there is none."""


class Refusal(msgspec.Struct, frozen=True):
    """One rule that a run breaks, and how, for a person to read."""

    rule: Rule
    reason: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.rule}: {self.reason}"


class GateError(IngestError):
    """A run that the gate refuses; one reason a line, each beginning with its rule."""

    def __init__(self, message: str, refusals: Iterable[Refusal]) -> None:
        """Say it for a person, and give `refusals` to a program."""
        super().__init__(message)
        self.refusals = tuple(refusals)


class Gate(msgspec.Struct, frozen=True):
    """Which rules hold for a run, and how strictly."""

    limits: Mapping[Rule, float] = msgspec.field(default_factory=lambda: DEFAULT_LIMITS)
    accepted: frozenset[Rule] = frozenset()

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

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], accepted: Collection[Rule] = ()) -> "Gate":
        """Read GATE_FEWER_VIDEOS and the like. Raises SettingsError."""
        limits = {rule: _limit(environment, rule, default) for rule, default in DEFAULT_LIMITS.items()}
        return cls(limits, frozenset(accepted))


class CatalogueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would make of the index, counted while it was planned.

    `videos` and `transcribed` are of the whole index after the run, `..._before` of the live version, 0
    where there is none that counts. `lost` have a transcript there and none in the source. `rows` and
    `repeated` are of the sources; `sharing` is the largest group of videos there that have one transcript in
    common; `placeholders` have one that only says that there is none.
    """

    rows: int
    repeated: int
    videos: int
    transcribed: int
    videos_before: int = 0
    transcribed_before: int = 0
    lost: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    in_future: tuple[str, ...] = ()
    other_model: str | None = None


def refusals_of(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> list[Refusal]:
    """Say which rules a run breaks, of those that can be told before anything is embedded."""
    found = (check(facts, limits) for check in _CHECKS)
    return [refusal for refusal in found if refusal]


def lost_canaries(lost: Collection[str], asked: int, limits: Mapping[Rule, float]) -> list[Refusal]:
    """Say whether too many of the titles that found their videos no longer do."""
    if not asked or len(lost) / asked <= limits[Rule.LOST_CANARIES]:
        return []
    reason = f"{len(lost)} of {asked} titles no longer find their own videos: {_some(lost)}"
    return [Refusal(Rule.LOST_CANARIES, reason)]


def _fewer_videos(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    before, after = facts.videos_before, facts.videos
    if not before or (before - after) / before <= limits[Rule.FEWER_VIDEOS]:
        return None
    return Refusal(Rule.FEWER_VIDEOS, f"{after} videos would be left of {before}")


def _less_coverage(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    if not facts.videos_before or not facts.videos:
        return None
    before = facts.transcribed_before / facts.videos_before
    after = facts.transcribed / facts.videos
    if before - after <= limits[Rule.LESS_COVERAGE]:
        return None
    return Refusal(Rule.LESS_COVERAGE, f"{after:.0%} of the videos would have a transcript, now {before:.0%}")


def _lost_transcripts(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    before = facts.transcribed_before
    if not before or len(facts.lost) / before <= limits[Rule.LOST_TRANSCRIPTS]:
        return None
    reason = f"{len(facts.lost)} of {before} videos would lose their transcripts: {_some(facts.lost)}"
    return Refusal(Rule.LOST_TRANSCRIPTS, reason)


def _repeated_ids(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    if not facts.rows or facts.repeated / facts.rows <= limits[Rule.REPEATED_IDS]:
        return None
    return Refusal(Rule.REPEATED_IDS, f"{facts.repeated} of {facts.rows} rows have the id of an earlier row")


def _shared_transcripts(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    if len(facts.sharing) <= limits[Rule.SHARED_TRANSCRIPTS]:
        return None
    reason = f"{len(facts.sharing)} videos have one and the same transcript: {_some(facts.sharing)}"
    return Refusal(Rule.SHARED_TRANSCRIPTS, reason)


def _placeholders(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    few = max(_FEW_PLACEHOLDERS, limits[Rule.PLACEHOLDERS] * facts.rows)
    if len(facts.placeholders) <= few:
        return None
    reason = (
        f"{len(facts.placeholders)} of {facts.rows} transcripts only say that there is none, such as n/a or "
        f"[Music]: {_some(facts.placeholders)}"
    )
    return Refusal(Rule.PLACEHOLDERS, reason)


def _future_dates(facts: CatalogueFacts, limits: Mapping[Rule, float]) -> Refusal | None:
    if len(facts.in_future) <= limits[Rule.FUTURE_DATES]:
        return None
    reason = f"{len(facts.in_future)} videos were published in the future: {_some(facts.in_future)}"
    return Refusal(Rule.FUTURE_DATES, reason)


def _other_model(facts: CatalogueFacts, _: Mapping[Rule, float]) -> Refusal | None:
    return Refusal(Rule.OTHER_MODEL, facts.other_model) if facts.other_model else None


_CHECKS: tuple[Callable[[CatalogueFacts, Mapping[Rule, float]], Refusal | None], ...] = (
    _fewer_videos,
    _less_coverage,
    _lost_transcripts,
    _repeated_ids,
    _shared_transcripts,
    _placeholders,
    _future_dates,
    _other_model,
)


def _some(video_ids: Collection[str]) -> str:
    shown = ", ".join(list(video_ids)[:3])
    return shown + (", ..." if len(video_ids) > 3 else "")  # noqa: PLR2004


def _limit(environment: Mapping[str, str], rule: Rule, default: float) -> float:
    name = f"GATE_{rule.name}"
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise SettingsError(f"{name} is {text!r}, and must be a number of at least 0.")
    return limit
