"""The plan: the action for each video, decided before anything is changed. Pure."""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

import msgspec

from retrieval.index.writing import StoredVideo


class Action(StrEnum):
    """What a run does with one video."""

    ADD = "add"
    REEMBED = "re-embed"
    UPDATE = "update"
    KEEP = "keep"
    REMOVE = "remove"


EMBEDDED = frozenset({Action.ADD, Action.REEMBED})
"""The actions that run a video's texts through the model."""


class Plan(msgspec.Struct, frozen=True):
    """The action for every video, by id: the videos of the sources in their order, then those to remove."""

    actions: dict[str, Action]

    def ids(self, *actions: Action) -> list[str]:
        """Return the ids of the videos with one of these actions, in the plan's order."""
        return [video_id for video_id, action in self.actions.items() if action in actions]

    @property
    def changes_nothing(self) -> bool:
        """Whether the live index already equals the sources."""
        return all(action is Action.KEEP for action in self.actions.values())


def decide(wanted: StoredVideo, stored: StoredVideo | None) -> Action:
    """Return the action for a video of the sources; `stored` is None if the index does not contain it."""
    if stored is None:
        return Action.ADD
    if stored.content_hash != wanted.content_hash:
        return Action.REEMBED
    return Action.KEEP if stored.record_hash == wanted.record_hash else Action.UPDATE


def make_plan(
    actions: Mapping[str, Action], stored: Iterable[str], *, prune: bool, spared: Collection[str] = ()
) -> Plan:
    """Complete the decided `actions`: `prune` removes the `stored` videos that are not in the sources.

    `spared` are videos that are in the sources but whose rows were rejected. They are not removed.
    """
    gone = (video_id for video_id in stored if video_id not in actions and video_id not in spared)
    return Plan({**actions, **(dict.fromkeys(gone, Action.REMOVE) if prune else {})})
