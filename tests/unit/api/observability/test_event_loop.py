import asyncio
import time

import pytest

from api.observability import metrics as event_loop
from api.observability.metrics import watch_lag
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_loop_that_is_held_up_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "PERIOD_SECONDS", 0.01)
    lags: list[float] = []
    watching = asyncio.create_task(watch_lag(lags.append))
    await until(lambda: lags)
    assert all(lag >= 0 for lag in lags)
    lags.clear()
    time.sleep(0.05)  # noqa: ASYNC251 - this is what a slow search does.
    await until(lambda: lags)
    assert lags[0] >= 0.03
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
