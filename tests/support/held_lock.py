"""Another process that holds the lock of an index on a Qdrant server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import REPOSITORY

LOCKED = "locked"
"""The prefix of the collections of that index."""

_HOLD = f"""
import asyncio, sys
from retrieval.settings import QdrantSettings, SearchSettings
from retrieval.opening import open_store

async def hold():
    settings = QdrantSettings(url=sys.argv[1], grpc_port=int(sys.argv[2]), collection="{LOCKED}")
    async with open_store(SearchSettings(qdrant=settings)) as store, store.exclusive():
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@contextmanager
def held_lock(url: str, grpc_port: int) -> Iterator[int]:
    """Yield the id of the process that holds the lock. It is killed at the end, so the lock remains."""
    program = [sys.executable, "-c", _HOLD, url, str(grpc_port)]
    with subprocess.Popen(program, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder.pid
        finally:
            holder.kill()
