"""What a run would do, for a person or a program, before it does it. Pure."""

from collections.abc import Mapping

import msgspec

from ingest.planning.gate import Refusal
from ingest.planning.plan import Action, Plan
from retrieval.catalogue.wording import counted, duration

_WORDS_A_PASSAGE = 90
"""About so many new words each passage has: its size less its overlap."""

_TEXTS_A_SECOND_A_CORE = 30
"""What the model embeds on a core of the machine that the README's figures are from."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of planning. `seconds` is an estimate of what embedding would take on this machine.

    `actions` lists video ids by what would happen to them; those to keep are only counted. `rejected` counts
    rows by the reason for which they give no video.
    """

    actions: dict[str, list[str]]
    keep: int
    rejected: dict[str, int]
    refusals: list[Refusal]
    texts: int
    seconds: float


def preview_of(
    plan: Plan, refusals: list[Refusal], reasons: Mapping[str, int], *, words: int, cores: int
) -> Preview:
    """Sum up a plan in which `words` words are to be embedded."""
    changes = [action for action in Action if action is not Action.KEEP]
    videos = len(plan.ids(Action.ADD, Action.REEMBED))
    texts = 2 * videos + -(-words // _WORDS_A_PASSAGE)
    prefix = "rejected: "
    return Preview(
        actions={str(action): plan.ids(action) for action in changes},
        keep=len(plan.ids(Action.KEEP)),
        rejected={
            name.removeprefix(prefix): count for name, count in reasons.items() if name.startswith(prefix)
        },
        refusals=refusals,
        texts=texts,
        seconds=round(texts / (_TEXTS_A_SECOND_A_CORE * cores), 1),
    )


def describe_estimate(preview: Preview) -> str | None:
    """Say how long embedding would take, or None where there is nothing to embed."""
    if not preview.texts:
        return None
    time = duration(preview.seconds)
    return f"Embedding about {counted(preview.texts, 'text')} would take about {time} on this machine."
