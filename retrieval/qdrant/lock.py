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
from pathlib import Path
from secrets import token_hex

import msgspec
from qdrant_client import AsyncQdrantClient

from retrieval.errors import IndexUnavailableError, RunInProgressError
from retrieval.qdrant.connection import CLEAN_UP, METADATA_KEY, QdrantConnection, ServerError

_log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
"""How long a lock outlives its holder. Far longer than the longest step that keeps the event loop waiting."""

_RENEWAL_SECONDS = 30.0


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
async def server_lock(connection: QdrantConnection, name: str, *, replicas: int) -> AsyncIterator[None]:
    """Hold the lock of this name, kept on as many nodes as the index is.

    Raises RunInProgressError where another run holds it, or took it over because this one did not put its end
    off in time.
    """
    lock = _Lock(connection, name, replicas)
    await lock.take()
    owner = asyncio.current_task()
    keeper = asyncio.create_task(lock.keep(owner))
    try:
        yield
    except asyncio.CancelledError:
        if not lock.is_lost:
            raise
        raise RunInProgressError(
            "Another ingest run took this index over, because this one showed no sign of life for "
            f"{LEASE.total_seconds() / 60:g} minutes. This one has stopped; run it again when the other has "
            "ended."
        ) from None
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        with suppress(IndexUnavailableError):  # Then it ends by itself.
            await lock.give_back()


class _Lock:
    """One run's claim to the collection of a name."""

    def __init__(self, connection: QdrantConnection, name: str, replicas: int) -> None:
        now = datetime.now(UTC)
        self._connection = connection
        self._name = name
        self._replicas = replicas
        self._mine = Holder(
            run=token_hex(8),
            host=socket.gethostname(),
            pids=_pids_here(),
            pid=os.getpid(),
            since=now,
            until=now + LEASE,
        )
        self.is_lost = False

    async def take(self) -> None:
        """Create the collection, once what is left of a run that is gone is deleted."""
        try:
            await self._connection.call(self._create)
        except ServerError as e:
            if not e.is_conflict:
                raise
        if not await self._connection.call(self._is_mine):
            raise RunInProgressError("Another ingest run started at the same moment. Nothing was changed.")

    async def keep(self, owner: asyncio.Task[None] | None) -> None:
        """Put the end off as long as the run is at work, and end the run where the lock is another's."""
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            try:
                if await self._connection.call(self._renew):
                    continue
            except IndexUnavailableError as e:
                _log.warning("The lock %s was not renewed: %s", self._name, e)
                continue
            self.is_lost = True
            if owner:
                owner.cancel()
            return

    async def give_back(self) -> None:
        """Delete the collection, unless it is another run's by now."""

        async def delete(client: AsyncQdrantClient) -> None:
            if await self._is_mine(client):
                await client.delete_collection(self._name)

        await self._connection.call(delete, patience=CLEAN_UP)

    async def _create(self, client: AsyncQdrantClient) -> None:
        if await client.collection_exists(self._name):
            if await self._is_mine(client):
                return  # An earlier try succeeded without our hearing of it.
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
        """Put the end off, and say whether the lock still is this run's."""
        if not await self._is_mine(client):
            return False
        later = msgspec.structs.replace(self._mine, until=datetime.now(UTC) + LEASE)
        await client.update_collection(self._name, metadata=_metadata(later))
        return True

    async def _is_mine(self, client: AsyncQdrantClient) -> bool:
        holder = await _holder(client, self._name)
        return holder is not None and holder.run == self._mine.run

    async def _refuse_if_held(self, client: AsyncQdrantClient) -> None:
        """Raise RunInProgressError where another run holds the lock and is not gone."""
        other = await _holder(client, self._name)
        if other and other.run != self._mine.run and not other.is_gone(datetime.now(UTC)):
            raise RunInProgressError(
                f"Another ingest run is at work on this index: process {other.pid} of {other.host}, since "
                f"{other.since:%H:%M} UTC. Wait for it to end, or stop it; if it was killed, it counts as "
                f"ended from {other.until:%H:%M} UTC on. Nothing was changed."
            )


async def _holder(client: AsyncQdrantClient, name: str) -> Holder | None:
    """Read who holds a lock; None where nobody does, or where what is there was not left by a run of ours."""
    if not await client.collection_exists(name):
        return None
    info = await client.get_collection(name)
    try:
        return msgspec.convert((info.config.metadata or {})[METADATA_KEY], Holder, strict=False)
    except (KeyError, msgspec.ValidationError):
        return None


def _pids_here() -> str:
    """Name the boot and the process namespace; where there is no such thing, what nobody else has."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return token_hex(8)


def _metadata(holder: Holder) -> dict[str, object]:
    return {METADATA_KEY: msgspec.to_builtins(holder)}
