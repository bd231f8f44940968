import pytest

from retrieval.search.observer import UNOBSERVED, observed
from tests.support.observers import KeepingObserver

pytestmark = pytest.mark.anyio


async def double(number: int, *, plus: int = 0) -> int:
    return 2 * number + plus


async def fail() -> None:
    raise ZeroDivisionError


async def test_what_is_asked_is_one_stage_whether_it_is_answered_or_not() -> None:
    observer = KeepingObserver()
    assert await observed(observer, "vector", double, 4, plus=1) == 9
    with pytest.raises(ZeroDivisionError):
        await observed(observer, "lexical", fail)
    assert (observer.ended, observer.failed) == (["vector"], ["lexical"])


def test_what_is_given_up_before_it_begins_was_never_asked() -> None:
    asked: list[int] = []

    async def ask() -> None:
        asked.append(1)

    # A coroutine within, made too early, would warn that nobody awaited it.
    observed(KeepingObserver(), "vector", ask).close()
    assert asked == []


async def test_nobody_watching_changes_nothing() -> None:
    assert await observed(UNOBSERVED, "fuse", double, 4) == 8
    with UNOBSERVED.stage("encode"), UNOBSERVED.stage("encode"):
        UNOBSERVED.looked_up(hit=True)
        UNOBSERVED.found("classic", 5)
        UNOBSERVED.degraded()
