import pytest

from retrieval.search.observer import observed
from tests.support.observers import KeepingObserver

pytestmark = pytest.mark.anyio


async def test_a_call_is_one_stage_whether_it_succeeds_or_fails() -> None:
    async def double(number: int, *, plus: int = 0) -> int:
        return 2 * number + plus

    async def fail() -> None:
        raise ZeroDivisionError

    observer = KeepingObserver()
    assert await observed(observer, "vector", double, 4, plus=1) == 9
    with pytest.raises(ZeroDivisionError):
        await observed(observer, "lexical", fail)
    assert (observer.ended, observer.failed) == (["vector"], ["lexical"])
