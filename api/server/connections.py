"""A client's connection: gives up on what is too large, too slow or not wanted. uvicorn would not."""

import asyncio
import logging
import select
from http import HTTPStatus
from secrets import token_hex
from typing import ClassVar

import msgspec
from litestar.exceptions import ClientException
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.observability.logs import with_fields
from api.observability.metrics import Metrics
from api.observability.request_log import REQUEST_ID
from api.server.response_headers import OF_ANSWERS
from api.wire.errors import HeadTooLargeError, HeadTooSlowError
from api.wire.problems import PROBLEM_JSON, ProblemKind, kind_of

LARGEST_HEAD = 65_536
"""Bytes of a request's first line and headers, give or take what one read brings.

As many may come in a row of what is neither head nor body: trailers, the frames of chunks, empty lines.
"""

HEAD_SECONDS = 10.0
"""How long they may take to arrive, from the connection, the last answer or their first byte."""

TAKING_SECONDS = 10.0
TAKEN_BYTES = 65_536
"""So much of what waits for a client it has to take in so many seconds, or all of it."""


_log = logging.getLogger(__name__)


class BoundedConnection(HttpToolsProtocol):
    """Reads requests as uvicorn does, and answers a head that it does not read to its end."""

    metrics: ClassVar[Metrics | None] = None
    """Where refusals are counted."""

    _reading_head = False
    _bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None
    _not_taken = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to watch whether the client takes its answers: uvicorn's sending waits for ever."""
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        """Watch no longer."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def data_received(self, data: bytes) -> None:
        """Read on, unless too much has come by now that is no body: a body has a limit of its own."""
        self._bytes += len(data)
        super().data_received(data)
        if self._bytes > LARGEST_HEAD:
            if self._reading_head:
                self._refuse(HeadTooLargeError())
            else:
                # The request was let in, so it has its answer or none.
                self._close()

    def on_message_begin(self) -> None:
        """Count anew, at the first byte of a request."""
        super().on_message_begin()
        self._reading_head = True
        self._bytes = 0
        self._wait(HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, and no trailer: uvicorn would add it to the headers of a request that is let in."""
        if self._reading_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Count anew: what comes now is body."""
        self._reading_head = False
        self._bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count anew, at each piece."""
        self._bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Wait for the next request, also where uvicorn does not: it stops at the first byte of anything."""
        super().on_response_complete()
        if self.cycle.response_complete and not self._reading_head:
            self._wait(HEAD_SECONDS)

    def shutdown(self) -> None:
        """Close, once what is being answered or has arrived and was not read yet is answered."""
        if not self._has_unread():
            super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's name, and its words.
        """Answer what is no HTTP as every other error is answered."""
        self._refuse(ClientException())

    def _has_unread(self) -> bool:
        if self.transport.is_closing():
            return False
        arrived = select.poll()
        arrived.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(arrived.poll(0))

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_taking(self) -> None:
        self._not_taken = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(TAKING_SECONDS, self._look_what_was_taken)

    def _look_what_was_taken(self) -> None:
        if self._not_taken - self.transport.get_write_buffer_size() < TAKEN_BYTES:
            self.transport.abort()
        else:
            self._watch_taking()

    def _give_up(self) -> None:
        if self.flow.write_paused:
            # It is watched whether the answer is taken, and until then no request is due.
            self._wait(HEAD_SECONDS)
        elif self.transport.is_closing():
            # The end of an answer was not taken, and would keep the connection for ever.
            self.transport.abort()
        elif self._reading_head:
            self._refuse(HeadTooSlowError(HEAD_SECONDS))
        else:
            # Nothing was asked, so nothing is answered: browsers connect before they know what to ask.
            self._close()

    def _refuse(self, error: Exception) -> None:
        if self.transport.is_closing():
            return
        kind, request_id = kind_of(type(error)), token_hex(16)
        # Nothing in front of the app hears of it, so here is all that is noted of it.
        if self.metrics is not None:
            self.metrics.unread(kind.code)
        with with_fields(request_id=request_id):
            _log.debug("request refused unread", extra={"status": kind.status, "problem": kind.code})
        # Into the answer to an earlier request on this connection nothing may be written.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_answer(kind, str(error), request_id))
        self._close()

    def _close(self) -> None:
        self.transport.close()
        self._wait(TAKING_SECONDS)


def counted_in(counting: Metrics) -> type[BoundedConnection]:
    """Make the class of connections whose refusals are counted there: uvicorn makes the connections."""

    class CountedConnection(BoundedConnection):
        metrics = counting

    return CountedConnection


def _answer(kind: ProblemKind, detail: str, request_id: str) -> bytes:
    body = msgspec.json.encode(kind.told(detail))
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (REQUEST_ID, request_id.encode("ascii")),
        *OF_ANSWERS,
    ]
    first = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n".encode()
    return first + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body
