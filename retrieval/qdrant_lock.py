"""One run at a time on one server: a collection without points, which only one run can create.

Its metadata says who holds it and until when. The holder puts that off as long as it is at work, and deletes
the collection at its end. What a run that was killed leaves ends by itself; a run on the same machine sees at
once that the holder is gone.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex

import msgspec
from qdrant_client import AsyncQdrantClient

from retrieval.errors import IndexUnavailableError, RunInProgressError
from retrieval.qdrant_connection import QdrantConnection

_log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""How long a lock outlives its holder. Far longer than the longest step that keeps the event loop waiting."""

_RENEWAL_SECONDS = 30.0
_METADATA_KEY = "vidsearch"


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock, since when, and until when if it is not put off.

    `pids` says where `pid` means something: in one container, or on one machine, since it was started.
    """

    run: str
    host: str
    pids: str
    pid: int
    since: datetime
    until: datetime

    def is_gone(self, now: datetime) -> bool:
        """Whether the lock is nobody's any more."""
        if self.pids == _pids_here() and (self.pid == os.getpid() or not Path(f"/proc/{self.pid}").exists()):
            return True
        return self.until < now


@asynccontextmanager
async def server_lock(connection: QdrantConnection, name: str) -> AsyncIterator[None]:
    """Hold the lock of this name. Raises RunInProgressError where another run holds it."""
    now = datetime.now(UTC)
    holder = Holder(
        run=token_hex(8),
        host=socket.gethostname(),
        pids=_pids_here(),
        pid=os.getpid(),
        since=now,
        until=now + LEASE,
    )
    await connection.call(lambda client: _take(client, name, holder))
    keeper = asyncio.create_task(_keep(connection, name, holder))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        with suppress(IndexUnavailableError):  # Then it ends by itself.
            await connection.call(lambda client: client.delete_collection(name))


async def _take(client: AsyncQdrantClient, name: str, holder: Holder) -> None:
    if await client.collection_exists(name):
        other = await _holder(client, name)
        if other and other.run == holder.run:
            return  # An earlier try succeeded without our hearing of it.
        if other and not other.is_gone(datetime.now(UTC)):
            raise RunInProgressError(
                f"Another ingest run is at work on this index: process {other.pid} of {other.host}, since "
                f"{other.since:%H:%M} UTC. Wait for it to end, or stop it; if it was killed, it counts as "
                f"ended from {other.until:%H:%M} UTC on. Nothing was changed."
            )
        await client.delete_collection(name)
    await client.create_collection(name, vectors_config={}, metadata=_metadata(holder))


async def _holder(client: AsyncQdrantClient, name: str) -> Holder | None:
    """Read who holds a lock; None where that is not to be read, which no run of ours leaves."""
    info = await client.get_collection(name)
    try:
        return msgspec.convert((info.config.metadata or {})[_METADATA_KEY], Holder, strict=False)
    except (KeyError, msgspec.ValidationError):
        return None


async def _keep(connection: QdrantConnection, name: str, holder: Holder) -> None:
    """Put the end off as long as the run is at work."""
    while True:
        await asyncio.sleep(_RENEWAL_SECONDS)
        metadata = _metadata(msgspec.structs.replace(holder, until=datetime.now(UTC) + LEASE))
        try:
            await connection.call(partial(_renew, name=name, metadata=metadata))
        except IndexUnavailableError as e:
            _log.warning("The lock %s was not renewed: %s", name, e)


async def _renew(client: AsyncQdrantClient, name: str, metadata: dict[str, object]) -> None:
    await client.update_collection(name, metadata=metadata)


def _pids_here() -> str:
    """Name the boot and the process namespace; where there is no such thing, what nobody else has."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return token_hex(8)


def _metadata(holder: Holder) -> dict[str, object]:
    return {_METADATA_KEY: msgspec.to_builtins(holder)}
