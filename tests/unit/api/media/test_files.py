"""What happens to open files if a client leaves, the disk is slow, or a file changes while it is sent."""

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from api.media import files, response
from api.media.files import MediaFiles
from api.media.response import MediaResponse
from api.wire.errors import MediaBusyError, MediaNotFoundError
from retrieval.declared_setting import SettingsError

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talk.mp4").write_bytes(b"0123456789")
    return tmp_path


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def until_closed(before: int) -> None:
    async with asyncio.timeout(60):
        while descriptors() > before:  # noqa: ASYNC110 - a thread closes the file.
            await asyncio.sleep(0.01)


class Client:
    """A client that reads `chunks` chunks and then leaves, or stays for ever if it is None."""

    def __init__(self, chunks: int | None = None) -> None:
        self.messages: list[Any] = []
        self._chunks = chunks
        self._is_gone = asyncio.Event()

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if len(self.messages) - 1 == self._chunks:
            self._is_gone.set()
            await asyncio.Event().wait()

    async def receive(self) -> Any:
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def answer(opened: MediaFiles, client: Client) -> None:
    scope = cast("Any", {"type": "http", "method": "GET", "headers": []})
    await MediaResponse(opened, "talk.mp4", is_sample=False, is_private=False)(
        scope, client.receive, cast("Any", client.send)
    )


async def test_a_file_is_sent_in_chunks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "CHUNK_BYTES", 4)
    client = Client()
    await answer(MediaFiles(folder), client)
    assert [message.get("body") for message in client.messages] == [None, b"0123", b"4567", b"89"]
    assert [message.get("more_body") for message in client.messages] == [None, True, True, False]


async def test_a_client_that_leaves_ends_the_response(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "CHUNK_BYTES", 4)
    opened, client, before = MediaFiles(folder), Client(chunks=1), descriptors()
    async with asyncio.timeout(60):
        await answer(opened, client)
    assert client.body == b"0123"
    await until_closed(before)


async def test_a_file_that_becomes_shorter_ends_the_response(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(response, "CHUNK_BYTES", 4)
    client = Client()

    async def shorten(message: Any) -> None:
        client.messages.append(message)
        os.truncate(folder / "talk.mp4", 6)

    client.send = shorten  # type: ignore[method-assign]
    await answer(MediaFiles(folder), client)
    assert client.body == b"0123"
    assert "became shorter" in caplog.text


async def test_a_slow_disk_blocks_neither_the_loop_nor_a_client_that_leaves(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    opening = files._open_below

    def open_slowly(*arguments: Any) -> int:
        disk.wait(60)
        return opening(*arguments)

    monkeypatch.setattr(files, "_open_below", open_slowly)
    monkeypatch.setattr(files, "MOST_STREAMS", 1)
    opened, before = MediaFiles(folder), descriptors()
    task = asyncio.create_task(answer(opened, Client()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(MediaBusyError):
        await answer(opened, Client())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    disk.set()
    await until_closed(before)
    client = Client()
    await answer(opened, client)
    assert client.body == b"0123456789"


@pytest.mark.parametrize(
    ("number", "is_logged"), [(errno.EACCES, True), (errno.EIO, True), (errno.ENOENT, False)]
)
async def test_the_operator_learns_why_a_file_cannot_be_opened(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    is_logged: bool,  # noqa: FBT001
) -> None:
    def refuse(_folder: Path, _path: str) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "_open_below", refuse)
    with pytest.raises(MediaNotFoundError):
        await answer(MediaFiles(folder), Client())
    warning = f"A media file cannot be opened: {os.strerror(number)}"
    assert caplog.messages == ([warning] if is_logged else [])


@pytest.mark.parametrize(
    ("readable", "problem"), [(True, "there is no such folder"), (False, "may not read it")]
)
async def test_a_folder_that_cannot_be_served_is_refused_at_the_start(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    readable: bool,  # noqa: FBT001
    problem: str,
) -> None:
    # The superuser, who may run the tests, can read every folder.
    monkeypatch.setattr(os, "access", lambda _path, _mode: readable)
    with pytest.raises(SettingsError, match=rf"MEDIA_DIR is .*{problem}"):
        async with MediaFiles(folder / "missing" if readable else folder).available():
            pass
