"""The form of the log: one line a record, whoever wrote it: JSON for machines, readable on a terminal."""

import logging
from contextlib import AbstractContextManager
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

_OWN = ("api", "retrieval")
# uvicorn announces itself at length, and warns of each request that is no HTTP, which any stranger may send
# by the thousand; httpx tells of each request to the index's server.
_CHATTY = {"uvicorn": logging.ERROR, "httpx": logging.WARNING, "opentelemetry": logging.WARNING}
_REQUEST_FIELDS = ("method", "route", "status", "duration_ms", "problem")
"""What a record may bring along beside its text. Other people's extras are left out: nobody has read them."""


def configure_logging(stream: TextIO, *, log_format: LogFormat, level: LogLevel) -> None:
    """Write this process's log to `stream`, in place of whatever was set up before.

    `auto` is `console` where the stream is a terminal. Below `info` only our own records are told: what other
    packages say at that level may hold headers, keys and queries.
    """
    is_readable = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(_console(stream) if is_readable else _json()))
    wanted = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(wanted, logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(wanted)
    for name, least in _CHATTY.items():
        logging.getLogger(name).setLevel(max(wanted, least))


def with_fields(**fields: str) -> AbstractContextManager[None]:
    """Put these fields into every record that is written within, and by tasks that start there."""
    return structlog.contextvars.bound_contextvars(**fields)


def _formatter(last: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(allow=_REQUEST_FIELDS),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _console(stream: TextIO) -> list[Processor]:
    # Its usual way with tracebacks shows the variables of every frame, queries and transcripts among them.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
