import asyncio

import pytest

from retrieval.background import background_task

pytestmark = pytest.mark.anyio


async def forever() -> None:
    await asyncio.Event().wait()


async def nothing() -> None:
    pass


class Panic(BaseException):
    pass


async def panic() -> None:
    raise Panic("out of order")


async def test_stops_its_task_with_the_block(caplog: pytest.LogCaptureFixture) -> None:
    async with background_task(forever(), "follower") as task:
        await asyncio.sleep(0)
        assert not task.done()
    assert task.cancelled()
    assert caplog.records == []


@pytest.mark.parametrize("work", [nothing, panic])
async def test_logs_a_task_that_ends_on_its_own(work: object, caplog: pytest.LogCaptureFixture) -> None:
    async with background_task(work(), "follower") as task:  # type: ignore[operator]
        await asyncio.wait([task])
        await asyncio.sleep(0)
    (record,) = caplog.records
    assert "follower has ended" in record.message


async def test_a_cancelled_closer_stays_cancelled() -> None:
    async def slow_to_stop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(60)

    async def hold() -> None:
        async with background_task(slow_to_stop(), "follower"):
            await asyncio.sleep(0)

    closer = asyncio.create_task(hold())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    closer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closer
