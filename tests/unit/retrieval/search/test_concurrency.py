import asyncio

import pytest

from retrieval.search.concurrency import gather_if_remote

pytestmark = pytest.mark.anyio


class Index:
    def __init__(self, *, is_remote: bool) -> None:
        self.is_remote = is_remote


async def call(name: str, events: list[str]) -> str:
    events.append(f"{name} starts")
    await asyncio.sleep(0)
    events.append(f"{name} ends")
    return name


async def test_calls_are_concurrent_only_if_the_index_is_remote() -> None:
    remote: list[str] = []
    assert await gather_if_remote(Index(is_remote=True), call("a", remote), call("b", remote)) == ("a", "b")
    assert remote == ["a starts", "b starts", "a ends", "b ends"]
    local: list[str] = []
    assert await gather_if_remote(Index(is_remote=False), call("a", local), call("b", local)) == ("a", "b")
    assert local == ["a starts", "a ends", "b starts", "b ends"]


@pytest.mark.parametrize("is_remote", [True, False])
async def test_an_error_cancels_the_other_calls(*, is_remote: bool) -> None:
    events: list[str] = []

    async def fail() -> str:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def hang() -> str:
        try:
            await asyncio.sleep(600)
        finally:
            events.append("cancelled")
        return "never"

    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        await gather_if_remote(Index(is_remote=is_remote), fail(), hang())
    assert events == (["cancelled"] if is_remote else [])
    assert asyncio.all_tasks() == before
