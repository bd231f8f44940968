"""The response with a file, a part of it, or the fact that the client has it already."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping

from litestar.types import Receive, Scope, Send

from api.media.conditions import FileVersion
from api.media.files import MediaFiles, OpenFile
from retrieval.catalogue.media_files import media_type

CHUNK_BYTES = 262_144

_POLICY = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A browser that opens a file by itself shows it on a page of its own, which must play the file."""

_logger = logging.getLogger(__name__)


class MediaResponse:
    """Sends the file of a path in chunks (an ASGI app). Raises MediaNotFoundError and other RequestErrors."""

    def __init__(self, files: MediaFiles, path: str, *, is_sample: bool, is_private: bool) -> None:
        """`is_private`: shared caches must not keep the file."""
        self._files = files
        self._path = path
        self._is_sample = is_sample
        self._cached = "private, max-age=3600" if is_private else "public, max-age=3600"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the file and respond."""
        received = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        is_head = scope.get("method") == "HEAD"
        async with self._files.opened(self._path, is_sample=self._is_sample) as file:
            version = file.version
            if version.is_known_to(received):
                await _respond(send, 304, self._headers(version))
                return
            # HEAD has no ranges.
            part = None if is_head else version.requested_part(received)
            sent = range(version.size) if part is None else part
            headers = {
                **self._headers(version),
                "accept-ranges": "bytes",
                "content-type": media_type(self._path) or "",
                "content-length": str(len(sent)),
            }
            if part is not None:
                headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{version.size}"
            await _respond(send, 200 if part is None else 206, headers, has_body=bool(sent) and not is_head)
            if sent and not is_head:
                await _until_disconnect(self._send(file, sent, send), receive)

    def _headers(self, version: FileVersion) -> dict[str, str]:
        return {
            "etag": version.tag,
            "last-modified": version.last_modified,
            "cache-control": self._cached,
            "content-security-policy": _POLICY,
        }

    async def _send(self, file: OpenFile, part: range, send: Send) -> None:
        for start in range(part.start, part.stop, CHUNK_BYTES):
            size = min(CHUNK_BYTES, part.stop - start)
            chunk = await file.read(start, size)
            if len(chunk) < size:
                # The length was sent already, so the server closes the connection.
                _logger.warning("A media file became shorter while it was sent")
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": start + size < part.stop})


async def _respond(send: Send, status: int, headers: Mapping[str, str], *, has_body: bool = False) -> None:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    if not has_body:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_disconnect(sending: Awaitable[None], receive: Receive) -> None:
    """Send until the end, or until the client is gone: the server would accept and drop the rest."""
    tasks = (asyncio.ensure_future(sending), asyncio.ensure_future(_disconnect(receive)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
