import asyncio

import pytest

from retrieval.search.asking import ask_together

pytestmark = pytest.mark.anyio


class Index:
    def __init__(self, *, is_remote: bool) -> None:
        self.is_remote = is_remote


async def say(word: str, after: list[str]) -> str:
    after.append(f"{word} asked")
    await asyncio.sleep(0)
    after.append(f"{word} told")
    return word


async def fail() -> str:
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def test_a_distant_index_is_asked_everything_at_once_and_a_near_one_in_turn() -> None:
    far: list[str] = []
    assert await ask_together(Index(is_remote=True), say("a", far), say("b", far)) == ("a", "b")
    assert far == ["a asked", "b asked", "a told", "b told"]
    near: list[str] = []
    assert await ask_together(Index(is_remote=False), say("a", near), say("b", near)) == ("a", "b")
    assert near == ["a asked", "a told", "b asked", "b told"]


@pytest.mark.parametrize("is_remote", [True, False])
async def test_where_one_fails_nothing_goes_on(*, is_remote: bool) -> None:
    heard: list[str] = []

    async def slow() -> str:
        try:
            await asyncio.sleep(600)
        finally:
            heard.append("given up")
        return "never"

    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        await ask_together(Index(is_remote=is_remote), fail(), slow())
    assert heard == (["given up"] if is_remote else [])
    assert asyncio.all_tasks() == before
