import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from retrieval.errors import IncompatibleIndexError, IndexUnavailableError
from retrieval.index.live_index import LiveIndex
from tests.support.embedded_videos import manifest_of
from tests.support.waiting import a_while, until

pytestmark = pytest.mark.anyio

MISSING = "There is no index yet. Build one."


class Version:
    """Stands in for an open index and counts how often it is closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.manifest = manifest_of((), version=name)
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class Shelf:
    """A pointer and the versions that it can name."""

    def __init__(self, current: str | None = None) -> None:
        self.current: str | Exception | None = current
        self.bad: dict[str, BaseException] = {}
        self.opened: list[Version] = []
        self.attempts = 0
        self.looks = 0

    async def look(self) -> str | None:
        self.looks += 1
        if isinstance(self.current, Exception):
            raise self.current
        return self.current

    async def open(self, name: str) -> Version:
        self.attempts += 1
        await asyncio.sleep(0)
        if name in self.bad:
            raise self.bad[name]
        self.opened.append(Version(name))
        return self.opened[-1]

    @property
    def still_open(self) -> list[str]:
        return [version.name for version in self.opened if not version.closed]

    async def looked_at(self) -> None:
        """Wait until the current pointer has been read and handled."""
        seen = self.looks
        await until(lambda: self.looks >= seen + 2)


def live_index(shelf: Shelf, *, may_be_away: bool = False) -> LiveIndex:
    return LiveIndex(
        current=shelf.look,
        open_version=shelf.open,
        missing=MISSING,
        may_be_away=may_be_away,
        poll_seconds=0.002,
    )


@asynccontextmanager
async def following(shelf: Shelf) -> AsyncIterator[LiveIndex]:
    live = live_index(shelf)
    await live.start()
    try:
        yield live
    finally:
        await live.close()


async def leased(live: LiveIndex) -> str:
    async with live.lease() as index:
        assert not index.closed
        return index.name


async def test_the_live_version_is_open_when_start_returns() -> None:
    shelf = Shelf("one")
    async with following(shelf) as live:
        assert await leased(live) == "one"
        await shelf.looked_at()
        assert shelf.attempts == 1
        assert shelf.still_open == ["one"]
    assert [version.closed for version in shelf.opened] == [1]


async def test_without_an_index_the_error_says_what_to_do() -> None:
    async with following(Shelf()) as live:
        with pytest.raises(IndexUnavailableError, match=MISSING):
            await leased(live)


async def test_a_switch_closes_the_unused_old_version() -> None:
    shelf = Shelf("one")
    async with following(shelf) as live:
        shelf.current = "two"
        await until(lambda: shelf.still_open == ["two"])
        assert await leased(live) == "two"
        shelf.current = "one"
        await until(lambda: shelf.still_open == ["one"])
        assert await leased(live) == "one"
    assert [version.closed for version in shelf.opened] == [1, 1, 1]


async def test_a_lease_keeps_its_version_through_a_switch_and_new_leases_get_the_new_version() -> None:
    shelf = Shelf("one")
    async with following(shelf) as live, AsyncExitStack() as first, AsyncExitStack() as second:
        old = await first.enter_async_context(live.lease())
        also_old = await second.enter_async_context(live.lease())
        assert old is also_old
        shelf.current = "two"
        await until(lambda: len(shelf.opened) == 2)
        await shelf.looked_at()
        assert shelf.still_open == ["one", "two"]
        assert await leased(live) == "two"
        await first.aclose()
        assert shelf.still_open == ["one", "two"]
        await second.aclose()
        await until(lambda: shelf.still_open == ["two"])
    assert [version.closed for version in shelf.opened] == [1, 1]


async def test_a_lease_is_given_back_when_the_request_fails() -> None:
    shelf = Shelf("one")
    async with following(shelf) as live:
        with pytest.raises(ZeroDivisionError):
            async with live.lease():
                raise ZeroDivisionError
        shelf.current = "two"
        await until(lambda: shelf.still_open == ["two"])


async def test_closing_leaves_a_leased_version_open_until_the_lease_ends() -> None:
    shelf = Shelf("one")
    async with AsyncExitStack() as request:
        async with following(shelf) as live:
            await request.enter_async_context(live.lease())
        assert shelf.still_open == ["one"]
        with pytest.raises(IndexUnavailableError):
            await leased(live)
    await until(lambda: shelf.still_open == [])


async def test_closing_an_index_that_was_never_started_is_no_error() -> None:
    await live_index(Shelf()).close()


async def test_start_fails_if_the_live_version_cannot_be_served() -> None:
    shelf = Shelf("bad")
    shelf.bad["bad"] = IncompatibleIndexError("built with another model")
    with pytest.raises(IncompatibleIndexError, match="another model"):
        async with following(shelf):
            pass
    shelf.current = IndexUnavailableError("damaged pointer")
    with pytest.raises(IndexUnavailableError, match="damaged pointer"):
        async with following(shelf):
            pass


async def test_a_bad_new_version_is_logged_once_and_the_old_one_stays_live(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf("one")
    shelf.bad["bad"] = IncompatibleIndexError("built with another model")
    shelf.bad["worse"] = IndexUnavailableError("cannot be opened")
    with caplog.at_level(logging.ERROR):
        async with following(shelf) as live:
            shelf.current = "bad"
            await until(lambda: shelf.attempts >= 4)
            assert await leased(live) == "one"
            shelf.current = "worse"
            await shelf.looked_at()
            assert await leased(live) == "one"
            shelf.current = "two"
            await until(lambda: shelf.still_open == ["two"])
            assert await leased(live) == "two"
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 2
    assert "built with another model" in logged[0]
    assert "cannot be opened" in logged[1]


async def test_a_bad_version_is_served_once_it_is_repaired() -> None:
    shelf = Shelf("one")
    shelf.bad["two"] = IndexUnavailableError("cannot be opened")
    async with following(shelf) as live:
        shelf.current = "two"
        await until(lambda: shelf.attempts >= 3)
        shelf.bad.clear()
        await until(lambda: shelf.still_open == ["two"])
        assert await leased(live) == "two"


@pytest.mark.parametrize("lost", [None, IndexUnavailableError("damaged pointer")])
async def test_a_missing_or_damaged_pointer_leaves_the_live_version(lost: Exception | None) -> None:
    shelf = Shelf("one")
    async with following(shelf) as live:
        shelf.current = lost
        await shelf.looked_at()
        assert await leased(live) == "one"
        shelf.current = "two"
        await until(lambda: shelf.still_open == ["two"])


async def test_start_does_not_wait_for_a_server_that_may_be_away() -> None:
    shelf = Shelf()
    shelf.current = IndexUnavailableError("the server does not answer")
    live = live_index(shelf, may_be_away=True)
    await live.start()
    with pytest.raises(IndexUnavailableError, match="does not answer"):
        await leased(live)
    shelf.current = IndexUnavailableError("the key is refused")
    await shelf.looked_at()
    with pytest.raises(IndexUnavailableError, match="key is refused"):
        await leased(live)
    # The server is back, and has no index.
    shelf.current = None
    await shelf.looked_at()
    with pytest.raises(IndexUnavailableError, match=MISSING):
        await leased(live)
    shelf.current = "one"
    await until(lambda: shelf.opened)
    await a_while()
    assert await leased(live) == "one"
    await live.close()


async def test_a_follower_that_dies_is_visible_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    class EnginePanic(BaseException):
        """Like the panics of a vendor's library, no Exception."""

    shelf = Shelf("one")
    live = live_index(shelf)
    assert not live.is_followed
    await live.start()
    assert live.is_followed
    shelf.bad["two"] = EnginePanic()
    shelf.current = "two"
    await until(lambda: not live.is_followed)
    assert await leased(live) == "one"
    assert "live index follower" in caplog.text
    await live.close()
