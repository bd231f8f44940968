"""The lock of a server's index: a collection without points, which only one run can create.

Its metadata names the holder and the time at which the lock expires. The holder extends that time while it
works, and deletes the collection at the end. The lock of a killed run expires on its own.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import msgspec
from qdrant_client import AsyncQdrantClient

from retrieval.background import background_task
from retrieval.errors import IndexUnavailableError, RunInProgressError
from retrieval.qdrant.connection import CLEAN_UP, METADATA_KEY, QdrantConnection
from retrieval.qdrant.errors import ServerError

_log = logging.getLogger(__name__)

LOCK_DURATION = timedelta(minutes=10)
"""How long a lock outlives a killed holder: far longer than the longest step that blocks the event loop."""

_RENEWAL_SECONDS = 30.0


class Holder(msgspec.Struct, frozen=True):
    """The run that holds a lock, since when, and when the lock expires unless it is renewed."""

    run: str
    host: str
    pid: int
    since: datetime
    until: datetime


@asynccontextmanager
async def server_lock(connection: QdrantConnection, name: str, *, replicas: int) -> AsyncIterator[None]:
    """Hold the lock of this name, replicated like the index.

    Raises RunInProgressError if another run holds it, or took it over because this one did not renew it in
    time.
    """
    lock = _Lock(connection, name, replicas)
    await lock.take()
    owner = asyncio.current_task()
    try:
        async with background_task(lock.keep(owner), "lock renewal"):
            yield
    except asyncio.CancelledError:
        if not lock.is_lost:
            raise
        raise RunInProgressError(
            "Another ingest run took over this index, because this run did not renew its lock for "
            f"{LOCK_DURATION.total_seconds() / 60:g} minutes. This run has stopped; run it again when the "
            "other has ended."
        ) from None
    finally:
        with suppress(IndexUnavailableError):  # The lock then expires on its own.
            await lock.release()


class _Lock:
    """One run's claim to the collection of a name."""

    def __init__(self, connection: QdrantConnection, name: str, replicas: int) -> None:
        now = datetime.now(UTC)
        self._connection = connection
        self._name = name
        self._replicas = replicas
        self._mine = Holder(
            run=token_hex(8), host=socket.gethostname(), pid=os.getpid(), since=now, until=now + LOCK_DURATION
        )
        self.is_lost = False

    async def take(self) -> None:
        """Create the collection, after deleting an expired one."""
        try:
            await self._connection.call(self._create)
        except ServerError as e:
            if not e.is_conflict:
                raise
        if not await self._connection.call(self._is_mine):
            raise RunInProgressError("Another ingest run started at the same moment. Nothing was changed.")

    async def keep(self, owner: asyncio.Task[None] | None) -> None:
        """Renew the lock while the run lasts, and cancel the run if another one has taken the lock."""
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            try:
                if self.is_lost or await self._connection.call(self._renew):
                    continue
            except IndexUnavailableError as e:
                _log.warning("The lock %s was not renewed: %s", self._name, e)
                continue
            self.is_lost = True
            if owner:
                owner.cancel()

    async def release(self) -> None:
        """Delete the collection, unless another run holds the lock by now."""

        async def delete(client: AsyncQdrantClient) -> None:
            if await self._is_mine(client):
                await client.delete_collection(self._name)

        await self._connection.call(delete, policy=CLEAN_UP)

    async def _create(self, client: AsyncQdrantClient) -> None:
        if await client.collection_exists(self._name):
            if await self._is_mine(client):
                return  # An earlier attempt succeeded although its response was lost.
            await self._refuse_if_held(client)
            await client.delete_collection(self._name)
        await client.create_collection(
            self._name,
            vectors_config={},
            shard_number=1,
            replication_factor=self._replicas,
            metadata=_metadata(self._mine),
        )

    async def _renew(self, client: AsyncQdrantClient) -> bool:
        """Extend the lock and return whether this run still holds it."""
        if not await self._is_mine(client):
            return False
        later = msgspec.structs.replace(self._mine, until=datetime.now(UTC) + LOCK_DURATION)
        await client.update_collection(self._name, metadata=_metadata(later))
        return True

    async def _is_mine(self, client: AsyncQdrantClient) -> bool:
        holder = await _holder(client, self._name)
        return holder is not None and holder.run == self._mine.run

    async def _refuse_if_held(self, client: AsyncQdrantClient) -> None:
        """Raise RunInProgressError if another run holds the lock and it has not expired."""
        other = await _holder(client, self._name)
        if other and other.run != self._mine.run and other.until >= datetime.now(UTC):
            raise RunInProgressError(
                f"Another ingest run is working on this index: process {other.pid} of {other.host}, since "
                f"{other.since:%H:%M} UTC. Wait for it to end, or stop it. If it was killed, its lock "
                f"expires at {other.until:%H:%M} UTC. Nothing was changed."
            )


async def _holder(client: AsyncQdrantClient, name: str) -> Holder | None:
    """Read the holder of a lock; None if the lock is free or its metadata cannot be read."""
    if not await client.collection_exists(name):
        return None
    info = await client.get_collection(name)
    try:
        return msgspec.convert((info.config.metadata or {})[METADATA_KEY], Holder, strict=False)
    except (KeyError, msgspec.ValidationError):
        return None


def _metadata(holder: Holder) -> dict[str, object]:
    return {METADATA_KEY: msgspec.to_builtins(holder)}
