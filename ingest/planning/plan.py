"""The plan: what a run would do to each video, decided before anything is done. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum

import msgspec

from retrieval.index.writing import StoredVideo


class Action(StrEnum):
    """What happens to one video."""

    ADD = "add"
    REEMBED = "re-embed"
    UPDATE = "update"
    KEEP = "keep"
    REMOVE = "remove"


EMBEDDED = frozenset({Action.ADD, Action.REEMBED})
"""The actions for which a video's texts go through the model."""


class Plan(msgspec.Struct, frozen=True):
    """What happens to every video, by id: those of the source first, in its order, then those to remove."""

    actions: dict[str, Action]

    def ids(self, *actions: Action) -> list[str]:
        """List the videos to which one of these happens, in the plan's order."""
        return [video_id for video_id, action in self.actions.items() if action in actions]

    @property
    def changes_nothing(self) -> bool:
        """Whether the live index already is what the source asks for."""
        return all(action is Action.KEEP for action in self.actions.values())


def make_plan(
    source: Mapping[str, StoredVideo],
    stored: Mapping[str, StoredVideo],
    *,
    prune: bool,
    spared: Collection[str] = (),
) -> Plan:
    """Compare the source with what the index holds; `prune` removes what the source does not have.

    `spared` are videos that the source has but could not give.
    """
    actions = {video_id: decide(wanted, stored.get(video_id)) for video_id, wanted in source.items()}
    if prune:
        actions |= {
            video_id: Action.REMOVE
            for video_id in stored
            if video_id not in source and video_id not in spared
        }
    return Plan(actions)


def decide(wanted: StoredVideo, there: StoredVideo | None) -> Action:
    """Decide what happens to a video of the source, given what the index holds of it, if anything."""
    if there is None:
        return Action.ADD
    if there.content_hash != wanted.content_hash:
        return Action.REEMBED
    return Action.KEEP if there.record_hash == wanted.record_hash else Action.UPDATE
