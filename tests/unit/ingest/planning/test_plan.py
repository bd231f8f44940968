import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.planning.plan import EMBEDDED, Action, Plan, decide, make_plan
from retrieval.index.writing import StoredVideo

HASHES = st.builds(StoredVideo, content_hash=st.sampled_from("ab"), record_hash=st.sampled_from("xy"))
# Few ids, so that the source and the index have many in common.
VIDEOS = st.dictionaries(st.sampled_from("tuvwxyz"), HASHES)


def plan_of(source: dict[str, StoredVideo], stored: dict[str, StoredVideo], *, prune: bool) -> Plan:
    actions = {video_id: decide(wanted, stored.get(video_id)) for video_id, wanted in source.items()}
    return make_plan(actions, stored, prune=prune)


def carried_out(
    plan: Plan, source: dict[str, StoredVideo], stored: dict[str, StoredVideo]
) -> dict[str, StoredVideo]:
    after = dict(stored)
    for video_id, action in plan.actions.items():
        if action is Action.REMOVE:
            del after[video_id]
        elif action is not Action.KEEP:
            after[video_id] = source[video_id]
    return after


@given(source=VIDEOS, stored=VIDEOS, prune=st.booleans())
def test_every_id_has_exactly_one_action_in_the_order_of_the_source(
    source: dict[str, StoredVideo], stored: dict[str, StoredVideo], *, prune: bool
) -> None:
    plan = plan_of(source, stored, prune=prune)
    gone = [video_id for video_id in stored if video_id not in source]
    assert list(plan.actions) == [*source, *(gone if prune else [])]
    assert sorted(plan.ids(*Action)) == sorted(plan.actions)
    assert sum(len(plan.ids(action)) for action in Action) == len(plan.actions)


@given(source=VIDEOS, stored=VIDEOS, prune=st.booleans())
def test_only_videos_missing_in_the_source_are_removed_and_only_with_prune(
    source: dict[str, StoredVideo], stored: dict[str, StoredVideo], *, prune: bool
) -> None:
    removed = plan_of(source, stored, prune=prune).ids(Action.REMOVE)
    assert set(removed) == (stored.keys() - source.keys() if prune else set())


@given(source=VIDEOS, stored=VIDEOS)
def test_only_new_texts_are_embedded(source: dict[str, StoredVideo], stored: dict[str, StoredVideo]) -> None:
    there = {video_id: video.content_hash for video_id, video in stored.items()}
    new = {video_id for video_id, video in source.items() if there.get(video_id) != video.content_hash}
    assert set(plan_of(source, stored, prune=True).ids(*EMBEDDED)) == new


@given(source=VIDEOS, stored=VIDEOS, prune=st.booleans())
def test_after_a_plan_was_carried_out_there_is_nothing_to_do(
    source: dict[str, StoredVideo], stored: dict[str, StoredVideo], *, prune: bool
) -> None:
    plan = plan_of(source, stored, prune=prune)
    after = carried_out(plan, source, stored)
    assert plan_of(source, after, prune=prune).changes_nothing
    assert after == (source if prune else stored | source)
    assert plan.changes_nothing is (after == stored)


@pytest.mark.parametrize(
    ("there", "action"),
    [
        (None, Action.ADD),
        (StoredVideo("a", "x"), Action.KEEP),
        (StoredVideo("a", "y"), Action.UPDATE),
        (StoredVideo("b", "x"), Action.REEMBED),
        (StoredVideo("b", "y"), Action.REEMBED),
    ],
)
def test_the_action_depends_on_what_changed(there: StoredVideo | None, action: Action) -> None:
    assert decide(StoredVideo("a", "x"), there) is action
