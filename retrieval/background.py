"""Background tasks: started with a block, stopped with it, and logged if they end on their own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def background_task(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` in a task until the block ends, then cancel it and wait for it.

    The work is meant to run forever. If it ends on its own, with or without an error, the end is logged and
    the task is `done()`, which readiness reports. A vendor's panic (a `BaseException`) counts as an error.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_end)
    try:
        yield task
    finally:
        task.remove_done_callback(_log_end)
        task.cancel()
        # `await task` would raise the task's CancelledError, which looks like a cancellation of the caller.
        await asyncio.wait([task])


def _log_end(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    _logger.error("The background task %s has ended: restart the service", task.get_name(), exc_info=error)
