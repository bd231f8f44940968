"""Every engine builds, publishes, rolls back and exports versions in the same way."""

import asyncio

import pytest

from retrieval.errors import IndexUnavailableError
from retrieval.index.writing import IndexWriter, StoredVideo
from tests.support.embedded_videos import embedded, passage, twice
from tests.support.engines import Engine
from tests.support.index_contract import ORIGIN, catalogue, ids, texts_of

pytestmark = pytest.mark.anyio


async def test_a_new_version_leaves_the_open_one_unchanged(engine: Engine) -> None:
    before = await engine.build([embedded("a", (0, 0, 0, 0))])
    after = await engine.build([embedded("b", (1, 0, 0, 0))])
    assert set(await catalogue(before)) == {"a"}
    assert ids(await before.nearest_by_passage(ORIGIN, limit=5)) == ["a"]
    assert set(await catalogue(after)) == {"b"}


async def test_the_store_reports_the_live_and_the_previous_version(engine: Engine) -> None:
    assert await engine.store.live() is None
    assert await engine.store.previous() is None
    assert await engine.store.stored_videos() == {}
    first = await engine.build([embedded("a", (0, 0, 0, 0), content_hash="one")])
    assert await engine.store.live() == first.manifest
    assert await engine.store.previous() is None
    second = await engine.build([embedded("b", (0, 0, 0, 0), content_hash="two")])
    assert await engine.store.live() == second.manifest
    assert await engine.store.previous() == first.manifest
    assert await engine.store.stored_videos() == {"b": StoredVideo("two", "record")}


async def test_a_rollback_swaps_the_live_and_the_previous_version(engine: Engine) -> None:
    with pytest.raises(IndexUnavailableError, match="no previous version"):
        await engine.store.roll_back()
    first = await engine.build([embedded("a", (0, 0, 0, 0))])
    with pytest.raises(IndexUnavailableError, match="no previous version"):
        await engine.store.roll_back()
    second = await engine.build([embedded("b", (0, 0, 0, 0))])
    for expected in (first, second, first):
        assert await engine.store.roll_back() == expected.manifest
        assert await engine.store.live() == expected.manifest
        assert await catalogue(await engine.open()) == await catalogue(expected)
    third = await engine.build([embedded("c", (0, 0, 0, 0))])
    assert await engine.store.previous() == first.manifest
    assert set(await catalogue(third)) == {"c"}


async def test_a_build_that_fails_is_never_live(engine: Engine) -> None:
    before = await engine.build([embedded("a", (0, 0, 0, 0))])

    async def fail(writer: IndexWriter) -> None:
        await writer.write([embedded("b", (0, 0, 0, 0))])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.publish(fail, keep_live=False)
    assert await engine.store.live() == before.manifest
    assert set(await catalogue(await engine.open())) == {"a"}
    after = await engine.build([embedded("c", (0, 0, 0, 0))])
    assert await engine.store.previous() == before.manifest
    assert set(await catalogue(after)) == {"c"}


async def test_a_failed_run_is_completed_by_running_it_again(engine: Engine) -> None:
    """Nothing of the old version is lost, and nothing is duplicated."""
    old = [
        embedded(name, (n, 0, 0, 0), passages=[passage((n, i, 0, 0), f"{name}{i}") for i in range(4)])
        for n, name in enumerate("abc")
    ]
    new = embedded("b", (1, 0, 0, 0), passages=[passage((1, 0, 0, 0), "new")], content_hash="new")
    added = embedded("d", (3, 0, 0, 0), text="added")

    async def run(writer: IndexWriter) -> None:
        await writer.delete(["a"])
        await writer.write([new, added])

    async def fail(writer: IndexWriter) -> None:
        await run(writer)
        raise ZeroDivisionError

    await engine.build(old)
    with pytest.raises(ZeroDivisionError):
        await engine.publish(fail, keep_live=True)
    index = await engine.change(run)
    assert set(await catalogue(index)) == {"b", "c", "d"}
    assert await texts_of(index, "b") == ["new"]
    assert await texts_of(index, "c") == ["c0", "c1", "c2", "c3"]
    assert (await engine.store.stored_videos())["b"] == StoredVideo("new", "record")


async def test_every_change_gets_a_new_version_id(engine: Engine) -> None:
    versions = [(await engine.build([])).manifest.index_version]
    for name in "abc":
        index = await engine.change(lambda writer, name=name: writer.write([embedded(name, (0, 0, 0, 0))]))
        versions.append(index.manifest.index_version)
    assert len(set(versions)) == 4


async def test_a_version_can_be_open_twice_and_closes_independently(engine: Engine) -> None:
    first = await engine.build([embedded("a", (1, 0, 0, 0))])
    second = await engine.open()
    await first.close()
    assert ids(await second.nearest_videos(twice(ORIGIN), limit=1)) == ["a"]
    await second.close()
    third = await engine.open()
    assert ids(await third.nearest_by_passage(ORIGIN, limit=1)) == ["a"]


async def test_searches_may_run_concurrently(engine: Engine) -> None:
    index = await engine.build([embedded(f"v{n}", (n, 0, 0, 0)) for n in range(30)])
    alone = await index.nearest_by_passage(ORIGIN, limit=20)
    together = await asyncio.gather(*(index.nearest_by_passage(ORIGIN, limit=20) for _ in range(8)))
    assert together == [alone] * 8
