"""A client's connection. It closes requests that are too large or too slow, which uvicorn does not.

This overrides internals of uvicorn's HttpToolsProtocol, so pyproject.toml caps uvicorn below the next minor
version. Check the overrides before raising the cap.
"""

import asyncio
import logging
import select
from http import HTTPStatus
from secrets import token_hex
from typing import ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.observability.logs import with_fields
from api.observability.metrics import RequestMetrics
from api.observability.request_log import REQUEST_ID_HEADER
from api.server.response_headers import DATA_HEADERS
from api.wire.errors import HeadTooLargeError, HeadTooSlowError, MalformedRequestError, RequestError
from api.wire.problems import PROBLEM_JSON, ProblemKind, kind_of
from api.wire.route_table import route_of

LARGEST_HEAD = 65_536
"""The limit of a request line and headers in bytes, plus up to one read.

The same limit applies to a sequence of trailers, chunk frames or empty lines.
"""

HEAD_SECONDS = 10.0
"""How long a head may take, counted from the connection, the last response or the head's first byte."""

READ_SECONDS = 10.0
READ_BYTES = 65_536
"""A client must read this many bytes of its response, or all of the rest, within READ_SECONDS."""

_logger = logging.getLogger(__name__)


class BoundedConnection(HttpToolsProtocol):
    """Reads requests like uvicorn, and responds with a problem to a head that is refused before its end."""

    metrics: ClassVar[RequestMetrics | None] = None
    """Counts refusals."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    read_seconds: ClassVar[float] = READ_SECONDS

    _reading_head = False
    _bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _read_check: asyncio.TimerHandle | None = None
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        super().connection_made(transport)
        self._start_deadline(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_deadline()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start to check that the client reads its response: uvicorn would wait forever."""
        super().pause_writing()
        self._start_read_check()

    def resume_writing(self) -> None:
        """Stop that check."""
        super().resume_writing()
        if self._read_check is not None:
            self._read_check.cancel()
            self._read_check = None

    def data_received(self, data: bytes) -> None:
        """Parse data, unless too much of it is not body. A body has its own limit."""
        self._bytes += len(data)
        super().data_received(data)
        if self._bytes > LARGEST_HEAD:
            if self._reading_head:
                self._refuse(HeadTooLargeError())
            else:
                # The request was admitted, so its response comes from the app, if at all.
                self._close()

    def on_message_begin(self) -> None:
        """Restart the count and the deadline at the first byte of a request."""
        super().on_message_begin()
        self._reading_head = True
        self._bytes = 0
        self._start_deadline(self.head_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Accept a header but no trailer, which uvicorn would add to the headers of an admitted request."""
        if self._reading_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Restart the count: the body follows."""
        self._reading_head = False
        self._bytes = 0
        self._stop_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Restart the count at each piece of the body."""
        self._bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Start the deadline of the next request. uvicorn's own timer stops at the first byte of anything."""
        super().on_response_complete()
        if self.cycle.response_complete and not self._reading_head:
            self._start_deadline(self.head_seconds)

    def shutdown(self) -> None:
        """Close after every request that is in progress, or that has arrived unread, is answered.

        A media file may take hours to send. The player requests the rest of it from another instance.
        """
        if self._is_sending_media():
            self.transport.abort()
        if not self._has_unread_data():
            super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's name and text.
        """Respond to invalid HTTP with a problem like any other."""
        self._refuse(MalformedRequestError())

    def _is_sending_media(self) -> bool:
        return (
            self.cycle is not None
            and not self.cycle.response_complete
            and route_of(self.cycle.scope).properties.kind == "media"  # type: ignore[arg-type]
        )

    def _has_unread_data(self) -> bool:
        if self.transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _start_deadline(self, seconds: float) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(seconds, self._on_deadline)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _start_read_check(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._read_check = self.loop.call_later(self.read_seconds, self._check_reading)

    def _check_reading(self) -> None:
        if self._unread - self.transport.get_write_buffer_size() < READ_BYTES:
            self.transport.abort()
        else:
            self._start_read_check()

    def _on_deadline(self) -> None:
        if self.flow.write_paused:
            # The read check watches the response, and no request is due before the client has read it.
            self._start_deadline(self.head_seconds)
        elif self.transport.is_closing():
            # The client did not read the end of a response, which would keep the connection open forever.
            self.transport.abort()
        elif self._reading_head:
            self._refuse(HeadTooSlowError(self.head_seconds))
        else:
            # No request, so no response: browsers connect before they have one.
            self._close()

    def _refuse(self, error: RequestError) -> None:
        if self.transport.is_closing():
            return
        kind, request_id = kind_of(type(error)), token_hex(16)
        # The app never receives this request, so it is counted and logged here.
        if self.metrics is not None:
            self.metrics.unread(kind.code)
        with with_fields(request_id=request_id):
            _logger.debug("request refused unread", extra={"status": kind.status, "problem": kind.code})
        # Nothing may be written into the response to an earlier request on this connection.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_response(kind, str(error), request_id))
        self._close()

    def _close(self) -> None:
        self.transport.close()
        self._start_deadline(self.read_seconds)


def counted_in(request_metrics: RequestMetrics) -> type[BoundedConnection]:
    """Make a class of connections that count refusals there. uvicorn creates the connections."""

    class CountedConnection(BoundedConnection):
        metrics = request_metrics

    return CountedConnection


def _response(kind: ProblemKind, detail: str, request_id: str) -> bytes:
    body = msgspec.json.encode(kind.problem(detail))
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (REQUEST_ID_HEADER, request_id.encode("ascii")),
        *DATA_HEADERS,
    ]
    first = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n".encode()
    return first + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body
