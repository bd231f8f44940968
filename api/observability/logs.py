"""The format of the log: one line per record. JSON for machines, a readable form on a terminal."""

import logging
from contextlib import AbstractContextManager
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

_OWN = ("api", "retrieval")
# uvicorn logs its start at length, and warns of each request that is not HTTP, which any client can send in
# large numbers. httpx logs each request to the Qdrant server.
_MINIMUM_LEVELS = {"uvicorn": logging.ERROR, "httpx": logging.WARNING, "opentelemetry": logging.WARNING}
_REQUEST_FIELDS = ("method", "route", "status", "duration_ms", "problem")
"""The extra fields of a record that are logged. Those of other packages may contain anything."""


def configure_logging(stream: TextIO, *, log_format: LogFormat, level: LogLevel) -> None:
    """Write the log of this process to `stream`, replacing any earlier configuration.

    `auto` means `console` if the stream is a terminal. Below `info`, only our own records are logged, because
    those of other packages may contain headers, keys and queries.
    """
    is_readable = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(_console(stream) if is_readable else _json()))
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(chosen, logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(chosen)
    for name, minimum in _MINIMUM_LEVELS.items():
        logging.getLogger(name).setLevel(max(chosen, minimum))


def with_fields(**fields: str) -> AbstractContextManager[None]:
    """Add these fields to every record logged in the block, and by tasks that start in it."""
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
    # The default traceback shows the variables of every frame, which include queries and transcripts.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
